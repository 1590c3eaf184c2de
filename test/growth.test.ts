/**
 * Growth of reading with the size of a header, measured: a quadratic step anywhere would show as an exponent of 2. Time is
 * processor time, the least of several runs at each size, so that a busy machine does not decide; reads are counted.
 */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { table } from "../packages/cli/src/render/table.ts";
import { factFindings } from "../packages/convert/src/examine/doctor/facts.ts";
import { weightFormats } from "../packages/convert/src/formats.ts";
import { foundModules } from "../packages/convert/src/model/found-modules.ts";
import { isLinearWeight } from "../packages/convert/src/plan/linear-modules.ts";
import { FormatError, limitsWith, type MetadataValue, memorySource } from "../packages/core/src/index.ts";
import { countingSource } from "../packages/core/src/testing/index.ts";
import { withoutTrailing } from "../packages/core/src/text.ts";
import { layoutGguf, parseGguf, readGguf } from "../packages/gguf/src/index.ts";
import { readModelCard } from "../packages/models/src/general/model-card.ts";
import { hfToGguf, readHfFiles } from "../packages/models/src/index.ts";
import { parseJsonObject } from "../packages/models/src/json.ts";
import { layoutSafetensors, parseHeader, parseShardIndex } from "../packages/safetensors/src/index.ts";
import { parseStrictJson } from "../packages/safetensors/src/json.ts";

const floatModel = resolve(import.meta.dirname, "../fixtures/abuse/model/float-valid");

const LONG = [240_000, 480_000, 960_000, 1_920_000] as const;
const card = (frontMatter: string) => (): unknown => readModelCard(`---\n${frontMatter}\n---\n`);

const MOST_EXPONENT = 1.2;
const RUNS = 3;
/** A measurement that garbage collection disturbed is repeated. */
const ATTEMPTS = 6;

/** Milliseconds of processor time, the least of some runs. */
function cost(work: () => unknown): number {
  let least = Number.POSITIVE_INFINITY;
  for (let run = 0; run < RUNS; run++) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    least = Math.min(least, (user + system) / 1000);
  }
  return least;
}

/** The slope of a line through the logarithms. */
function exponent(points: readonly (readonly [size: number, cost: number])[]): number {
  const logs = points.map(([size, spent]) => [Math.log(size), Math.log(Math.max(spent, 1e-3))] as const);
  const mean = (index: 0 | 1): number => logs.reduce((sum, log) => sum + log[index], 0) / logs.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let above = 0;
  let below = 0;
  for (const [x, y] of logs) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return above / below;
}

const strings = (count: number): MetadataValue => ({
  type: "array",
  elementType: "string",
  length: count,
  value: Array.from({ length: count }, (_, i) => `token ${i}`),
});

function ggufFile(metadata: ReadonlyMap<string, MetadataValue>, tensorCount: number): Uint8Array {
  const { header, byteLength } = layoutGguf({
    metadata,
    tensors: Array.from({ length: tensorCount }, (_, i) => ({ name: `t.${i}`, shape: [8], encoding: "F32" })),
  });
  const file = new Uint8Array(byteLength);
  file.set(header);
  return file;
}

const decodeAll = (file: Uint8Array): void => {
  for (const value of parseGguf(file, { limits: { metadataCount: 1e6 } }).metadata.values()) void value.value;
};

const json = (value: unknown): Uint8Array => new TextEncoder().encode(JSON.stringify(value));

/** Prepares the work for one size. */
const growths: readonly [what: string, sizes: readonly number[], prepare: (size: number) => () => unknown][] =
  [
    [
      "GGUF tokens",
      [20_000, 40_000, 80_000, 160_000],
      (size) => {
        const file = ggufFile(new Map([["tokenizer.ggml.tokens", strings(size)]]), 0);
        return () => decodeAll(file);
      },
    ],
    [
      "GGUF keys",
      [4000, 8000, 16_000, 32_000],
      (size) => {
        const keys = Array.from({ length: size }, (_, i): [string, MetadataValue] => [
          `key.${i}`,
          { type: "u32", value: i },
        ]);
        const file = ggufFile(new Map(keys), 0);
        return () => decodeAll(file);
      },
    ],
    [
      "GGUF tensors",
      [4000, 8000, 16_000, 32_000],
      (size) => {
        const file = ggufFile(new Map(), size);
        return () => parseGguf(file);
      },
    ],
    [
      "GGUF arrays inside arrays",
      [2000, 4000, 8000, 16_000],
      (size) => {
        const inner: MetadataValue = { type: "array", elementType: "u8", length: 1, value: [1] };
        const outer: MetadataValue = {
          type: "array",
          elementType: "array",
          length: size,
          value: Array.from({ length: size }, () => inner),
        };
        const file = ggufFile(new Map([["nested", outer]]), 0);
        return () => decodeAll(file);
      },
    ],
    [
      "safetensors tensors",
      [4000, 8000, 16_000, 32_000],
      (size) => {
        const tensors = Array.from({ length: size }, (_, i) => ({
          name: `t.${i}`,
          shape: [2],
          encoding: "F32",
        }));
        const { header, byteLength } = layoutSafetensors(tensors);
        return () => parseHeader(header, { fileByteLength: byteLength });
      },
    ],
    [
      "packed modules among tensors",
      [2000, 4000, 8000, 16_000],
      (size) => {
        const suffixes = ["qweight", "qzeros", "scales", "bias"];
        const tensors = Array.from({ length: size }, (_, i) => ({
          name: `model.layers.${i >> 2}.proj.${suffixes[i % 4]}`,
          shape: [2, 2],
          encoding: "I32",
          byteOffset: 0,
          byteLength: 16,
          file: "m",
        }));
        return () => foundModules(tensors, weightFormats, undefined);
      },
    ],
    [
      "an index of shards",
      [4000, 8000, 16_000, 32_000],
      (size) => {
        const map = Object.fromEntries(
          Array.from({ length: size }, (_, i) => [`t.${i}`, `s-${i % 100}.safetensors`]),
        );
        const bytes = json({ weight_map: map });
        return () => parseShardIndex(bytes, limitsWith(), "index");
      },
    ],
    [
      "tokenizer.json",
      [4000, 8000, 16_000, 32_000],
      (size) => {
        const tokenizer = JSON.parse(readFileSync(join(floatModel, "tokenizer.json"), "utf8"));
        const vocab: Record<string, number> = tokenizer.model.vocab;
        for (let id = Object.keys(vocab).length; id < size; id++) vocab[`t${id}`] = id;
        const files = new Map([
          [
            "config.json",
            json({
              architectures: ["LlamaForCausalLM"],
              hidden_size: 8,
              intermediate_size: 8,
              num_attention_heads: 1,
              num_hidden_layers: 1,
              vocab_size: size,
            }),
          ],
          ["tokenizer.json", json(tokenizer)],
        ]);
        const tensors = ["gate", "up", "down"]
          .map((part) => ({ name: `model.layers.0.mlp.${part}_proj.weight`, shape: [8, 8], encoding: "F16" }))
          .concat({ name: "model.embed_tokens.weight", shape: [size, 8], encoding: "F16" });
        return () => hfToGguf(readHfFiles("m", files, tensors), { fileType: "F16" });
      },
    ],
    [
      "the doctor's look at a vocabulary",
      [10_000, 20_000, 40_000, 80_000],
      (size) => {
        const metadata = new Map<string, MetadataValue>([
          ["general.architecture", { type: "string", value: "llama" }],
          ["tokenizer.ggml.tokens", strings(size)],
          ["tokenizer.ggml.merges", strings(size)],
          ["tokenizer.chat_template", { type: "string", value: "{{ x }}{%".repeat(size) }],
        ]);
        return () => factFindings(metadata, []);
      },
    ],
    [
      "a chat template of openings only",
      [100_000, 200_000, 400_000, 800_000],
      (size) => {
        const template: MetadataValue = { type: "string", value: "{{".repeat(size) };
        return () => factFindings(new Map([["tokenizer.chat_template", template]]), []);
      },
    ],
  ];

const template = (text: string) => (): unknown =>
  factFindings(new Map([["tokenizer.chat_template", { type: "string", value: text } as const]]), []);
const refusal = (work: () => unknown) => (): unknown => {
  try {
    return work();
  } catch (error) {
    return error;
  }
};

/**
 * Texts on which a pattern that backtracks, or that is tried again from each place, takes time with the square of their
 * length.
 */
const hostileTexts: typeof growths = [
  ["a README's value with blanks inside", LONG, (size) => card(`license: a${" ".repeat(size)}x`)],
  ["a README's value of hashes", LONG, (size) => card(`license: a${"#".repeat(size)}`)],
  ["a README's key and nothing but blanks", LONG, (size) => card(`license:${" ".repeat(size)}\u2028x`)],
  ["a README's list item of blanks", LONG, (size) => card(`tags:\n  -${" ".repeat(size)}\u2028`)],
  ["a README's list of open quotes", LONG, (size) => card(`tags: [${'"a,'.repeat(size / 30)}]`)],
  ["a template of range(", LONG, (size) => template(`{{ ${"range(".repeat(size / 6)} }}`)],
  ["a template of range and blanks", LONG, (size) => template(`{{ ${"range   ".repeat(size / 8)} }}`)],
  ["a template of os. and blanks", LONG, (size) => template(`{{ ${"os . a ".repeat(size / 7)} }}`)],
  ["a template of bars", LONG, (size) => template(`{{ ${"|   attr   ".repeat(size / 11)} }}`)],
  ["a template of underscores", LONG, (size) => template(`{{ ${"_a".repeat(size / 2)} }}`)],
  [
    "JSON of escaped quotes without an end",
    LONG,
    (size) => refusal(() => parseJsonObject(`{"a": NaN, "${'\\"'.repeat(size / 2)}`, "config.json")),
  ],
  [
    "JSON of brackets without an end",
    LONG,
    (size) => refusal(() => parseStrictJson(new Uint8Array(size).fill(0x5b), "It", "x", size)),
  ],
  [
    "a path of slashes",
    LONG,
    (size) => () => withoutTrailing(`${"/".repeat(size)}x${"/".repeat(size)}`, "/"),
  ],
  [
    "a name of embeddings",
    LONG,
    (size) => () =>
      isLinearWeight({ name: `layers.0.${"embed".repeat(size / 5)}-.weight`, shape: [1, 1] }, {}),
  ],
  [
    "a name of projectors",
    LONG,
    (size) => () =>
      isLinearWeight({ name: `layers.0.${"projector".repeat(size / 9)}-.weight`, shape: [1, 1] }, {}),
  ],
  [
    "an error about a long name",
    LONG,
    (size) => () => new FormatError(`The key ${"k".repeat(size)} is bad.`),
  ],
  ["an error about many words", LONG, (size) => () => new FormatError("a ".repeat(size))],
  [
    "a table with one long key",
    [2000, 4000, 8000, 16_000],
    (size) => {
      const rows = Array.from({ length: size }, (_, i) => [
        i === 0 ? "k".repeat(500_000) : `key ${i}`,
        "u32",
      ]);
      return () => table([{ title: "key" }, { title: "type" }], rows);
    },
  ],
];

describe.each([
  ["header", growths],
  ["text", hostileTexts],
] as const)("time grows as the %s does", (_, growths) => {
  it.each(growths)("%s", (what, sizes, prepare) => {
    const jobs = sizes.map((size) => [size, prepare(size)] as const);
    for (const [, work] of jobs) work();
    let best = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < ATTEMPTS && best > MOST_EXPONENT; attempt++)
      best = Math.min(best, exponent(jobs.map(([size, work]) => [size, cost(work)])));
    console.log(`${what}: exponent ${best.toFixed(2)}`);
    expect(best).toBeLessThanOrEqual(MOST_EXPONENT);
  });
});

describe("reads grow with the logarithm of the header", () => {
  it.each([1000, 10_000, 100_000, 1_000_000])("%d tokens", async (count) => {
    const file = ggufFile(new Map([["tokenizer.ggml.tokens", strings(count)]]), 100);
    const source = countingSource(memorySource(file, "m.gguf"));
    await readGguf(source);
    expect(source.reads).toBeLessThanOrEqual(
      1 + Math.ceil(Math.log2(Math.max(1, file.length / (256 * 1024)))) + 1,
    );
    // no byte is read twice, and at most a quarter of the bytes beyond the first read is read in vain
    expect(source.bytes).toBeLessThanOrEqual(file.length);
  });
});
