/** Test support: small Llama directories whose linear weights hold random codes, scales and zero points. */

import { BF16, F16, F32, floatToHalf, halfToFloat, type MemoryStore, memoryStore } from "@requant/core";
import type { PlainLayout, TargetSettings } from "@requant/core/format";
import { allocateParts, parseWords } from "@requant/core/format";
import { type IntegerView, selectRows, sequentialGroups } from "@requant/core/view";
import { packExl2 } from "@requant/exl2";
import { writeSafetensors } from "@requant/safetensors";
import { weightTargetByName } from "../../src/plan/target-formats.ts";

/** A generator of its own, so that tables made from it stay the same: mulberry32. */
export function randomSource(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export const HIDDEN = 256;
const VOCABULARY = 64;

/** What may differ between the models. */
export interface LayerSize {
  /** Heads of 64 rows each. */
  readonly keyValueHeads: number;
  readonly feedForward: number;
}

const USUAL: LayerSize = { keyValueHeads: 2, feedForward: 512 };

export const configOf = ({ keyValueHeads, feedForward }: LayerSize) => ({
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: HIDDEN,
  intermediate_size: feedForward,
  num_attention_heads: 4,
  num_key_value_heads: keyValueHeads,
  num_hidden_layers: 1,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  vocab_size: VOCABULARY,
  tie_word_embeddings: false,
  torch_dtype: "float16",
});

type LinearModule = readonly [module: string, rows: number, columns: number];

/** Module, rows, columns: everything a Llama layer has. */
const modulesOf = ({ keyValueHeads, feedForward }: LayerSize): readonly LinearModule[] => [
  ["model.layers.0.self_attn.q_proj", HIDDEN, HIDDEN],
  ["model.layers.0.self_attn.k_proj", 64 * keyValueHeads, HIDDEN],
  ["model.layers.0.self_attn.v_proj", 64 * keyValueHeads, HIDDEN],
  ["model.layers.0.self_attn.o_proj", HIDDEN, HIDDEN],
  ["model.layers.0.mlp.gate_proj", feedForward, HIDDEN],
  ["model.layers.0.mlp.up_proj", feedForward, HIDDEN],
  ["model.layers.0.mlp.down_proj", HIDDEN, feedForward],
];

export const config = configOf(USUAL);
export const linearModules = modulesOf(USUAL);

const otherTensors: readonly (readonly [name: string, shape: readonly number[]])[] = [
  ["model.embed_tokens.weight", [VOCABULARY, HIDDEN]],
  ["lm_head.weight", [VOCABULARY, HIDDEN]],
  ["model.norm.weight", [HIDDEN]],
  ["model.layers.0.input_layernorm.weight", [HIDDEN]],
  ["model.layers.0.post_attention_layernorm.weight", [HIDDEN]],
];

export interface ViewOptions {
  readonly bits: number;
  /** −1: one group per row. */
  readonly groupSize: number;
  readonly sym: boolean;
  readonly actOrder?: boolean | undefined;
  /** Smallest zero point. */
  readonly minZero?: number | undefined;
  readonly negativeScales?: boolean | undefined;
  /** Modules that are packed, all where left out; the others are stored as BF16. */
  readonly packs?: readonly string[] | undefined;
}

/** Every code and every zero point occurs; scales are f16 values of a natural size. */
export function randomView(
  rows: number,
  columns: number,
  options: ViewOptions,
  random: () => number,
): IntegerView {
  const { bits, groupSize, sym, actOrder = false, minZero = 0, negativeScales = false } = options;
  const size = groupSize === -1 ? columns : groupSize;
  const groupCount = Math.ceil(columns / size);
  const groupOfColumn = sequentialGroups(columns, size);
  if (actOrder) {
    for (let i = columns - 1; i > 0; i--) {
      const j = Math.floor(random() * (i + 1));
      [groupOfColumn[i], groupOfColumn[j]] = [groupOfColumn[j]!, groupOfColumn[i]!];
    }
  }
  const scale = (): number => {
    const value = halfToFloat(floatToHalf((0.001 + 0.01 * random()) / 2 ** (bits - 4)));
    return negativeScales && random() < 0.5 ? -value : value;
  };
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    codes: Uint8Array.from({ length: rows * columns }, () => Math.floor(random() * 2 ** bits)),
    scales: Float32Array.from({ length: rows * groupCount }, scale),
    zeros: Int16Array.from({ length: rows * groupCount }, () =>
      sym ? 2 ** (bits - 1) : minZero + Math.floor(random() * (2 ** bits - minZero)),
    ),
    rounding: "none",
  };
}

interface Stored {
  readonly name: string;
  readonly encoding: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

function floats(name: string, shape: readonly number[], encoding: string, random: () => number): Stored {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = Float32Array.from({ length: count }, () => (random() + random() + random() - 1.5) * 0.1);
  const codec = [F32, F16, BF16].find((candidate) => candidate.name === encoding) ?? F32;
  const bytes = new Uint8Array(count * codec.blockByteLength);
  codec.quantize?.(values, shape.at(-1) ?? 1, bytes);
  return { name, encoding, shape, bytes };
}

export const tokenizer = {
  version: "1.0",
  added_tokens: [],
  pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
  decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
  model: {
    type: "BPE",
    vocab: Object.fromEntries(
      Array.from({ length: VOCABULARY }, (_, id) => [String.fromCharCode(48 + id), id]),
    ),
    merges: [],
  },
};

async function directory(
  name: string,
  tensors: readonly Stored[],
  json: Record<string, unknown>,
  fileName = "model.safetensors",
): Promise<MemoryStore> {
  const store = memoryStore({ name });
  const sink = await store.create(fileName);
  await writeSafetensors(
    sink,
    tensors.map(({ bytes, ...tensor }) => ({ ...tensor, data: [bytes] })),
    { metadata: { format: "pt" } },
  );
  await sink.close();
  const text = (value: unknown): Uint8Array =>
    new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`);
  store.files.set("config.json", text(json));
  store.files.set("tokenizer.json", text(tokenizer));
  store.files.set("tokenizer_config.json", text({ tokenizer_class: "PreTrainedTokenizerFast" }));
  return store;
}

/** Float weights of one type. */
export function floatDirectory(
  encoding: "F32" | "F16" | "BF16",
  seed = 1,
  size = USUAL,
): Promise<MemoryStore> {
  const random = randomSource(seed);
  return directory(
    `float-${encoding}`,
    [
      ...modulesOf(size).map(([module, rows, columns]) =>
        floats(`${module}.weight`, [rows, columns], encoding, random),
      ),
      ...otherTensors.map(([tensor, shape]) => floats(tensor, shape, encoding, random)),
    ],
    configOf(size),
  );
}

/** Random integers, packed as a target of the linear formats says: `packedDirectory("gptq", ["4bit", "128g", "sym"], …)`. */
export async function packedDirectory(
  format: string,
  words: readonly string[],
  options: ViewOptions,
  seed = 2,
  size = USUAL,
): Promise<MemoryStore> {
  const target = weightTargetByName(format);
  const given = parseWords(target.words, words.join("-"));
  const asked = target.settle?.(given) ?? given;
  const random = randomSource(seed);
  const { packs } = options;
  const modules = modulesOf(size);
  const floatModules = modules.filter(([module]) => packs?.includes(module) === false);
  const packedModules = modules.filter(([module]) => packs?.includes(module) !== false);
  const made = packedModules.map(([module, rows, columns]) => {
    const view = randomView(rows, columns, options, random);
    return { module, rows, columns, view };
  });
  const settings: TargetSettings =
    asked["variant"] === "auto" ? { ...asked, variant: options.minZero === 0 ? "v2" : "v1" } : asked;
  const packed: { module: string; layout: PlainLayout }[] = [];
  const tensors: Stored[] = [];
  for (const { module, rows, columns, view } of made) {
    const facts = {
      groupSize: options.actOrder ? undefined : 1,
      groupCount: view.groupCount,
      scalesAreHalf: true,
    };
    const offers = target.offers(
      // only what decides about the layout
      { module, rows, columns, views: options.actOrder ? [facts as never] : [] },
      settings,
      undefined,
    );
    if (!("length" in offers)) throw new Error(offers.reason);
    const offer = offers.at(-1);
    if (offer === undefined) throw new Error("no layout");
    const encoder = target.encoder(offer.layout);
    const bytes = allocateParts(encoder.parts);
    for (let row = 0; row < rows; row += encoder.rowMultiple) {
      const count = Math.min(encoder.rowMultiple, rows - row);
      encoder.fromView(
        selectRows(view, count, (i) => row + i),
        row,
        bytes,
      );
    }
    packed.push({ module, layout: offer.layout });
    for (const { suffix, encoding, shape } of encoder.parts) {
      tensors.push({
        name: `${module}.${suffix}`,
        encoding,
        shape,
        bytes: bytes[suffix] ?? new Uint8Array(0),
      });
    }
  }
  const left = floatModules.map(([module]) => module);
  const { config: quantization } = target.config({ settings, packed, left, sourceConfig: undefined });
  return directory(
    `${format}-${words.join("-")}`,
    [
      ...tensors,
      ...floatModules.map(([module, rows, columns]) =>
        floats(`${module}.weight`, [rows, columns], "BF16", random),
      ),
      ...otherTensors.map(([name, shape]) => floats(name, shape, "F16", random)),
    ],
    { ...configOf(size), quantization_config: quantization },
  );
}

/** Random EXL2 integers: `widths` share the columns equally, in groups of 64; `permuted`: columns in random order. */
export async function exl2Directory(
  widths: readonly number[],
  permuted: boolean,
  seed = 3,
  size = USUAL,
): Promise<MemoryStore> {
  const random = randomSource(seed);
  const tensors: Stored[] = [];
  for (const [module, rows, columns] of modulesOf(size)) {
    const share = columns / widths.length;
    const groups = widths.flatMap((bits) => Array.from({ length: share / 64 }, () => ({ bits, rows: 64 })));
    const invperm = Int32Array.from({ length: columns }, (_, i) => i);
    if (permuted) {
      for (let i = columns - 1; i > 0; i--) {
        const j = Math.floor(random() * (i + 1));
        [invperm[i], invperm[j]] = [invperm[j]!, invperm[i]!];
      }
    }
    const codes = Uint8Array.from({ length: rows * columns }, (_, i) => {
      const { bits } = groups[Math.floor((i % columns) / 64)] ?? { bits: 2 };
      return Math.floor(random() * 2 ** bits);
    });
    const { layout, bytes } = packExl2({
      rows,
      groups,
      invperm,
      codes,
      nibbles: Uint8Array.from({ length: groups.length * rows }, () => Math.floor(random() * 16)),
      maxScales: Float32Array.from({ length: groups.length }, () => halfToFloat(floatToHalf(0.5 + random()))),
    });
    const shapes: Readonly<Record<string, readonly number[]>> = {
      q_invperm: [columns],
      q_scale_max: [groups.length],
      q_groups: [2 * groups.length],
      q_scale: [groups.length, layout.storedRows / 8],
      q_weight: [layout.wordRows, layout.storedRows],
    };
    const encodings: Readonly<Record<string, string>> = { q_scale_max: "F16", q_groups: "I16" };
    for (const [suffix, shape] of Object.entries(shapes)) {
      tensors.push({
        name: `${module}.${suffix}`,
        encoding: encodings[suffix] ?? "I32",
        shape,
        bytes: bytes[suffix] ?? new Uint8Array(0),
      });
    }
  }
  return directory(
    `exl2-${widths.join("+")}${permuted ? "" : "-in-order"}`,
    [...tensors, ...otherTensors.map(([name, shape]) => floats(name, shape, "F16", random))],
    {
      ...configOf(size),
      quantization_config: { quant_method: "exl2", version: "0.3.2", bits: 4.2, head_bits: 16 },
    },
    "output.safetensors",
  );
}
