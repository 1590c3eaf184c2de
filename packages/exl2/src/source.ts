import type { ErrorPlace } from "@requant/core";
import type { LinearPart, PartBytes } from "@requant/core/format";
import {
  findBySuffixes,
  type LinearReader,
  type ModuleHints,
  openableWeight,
  type PackedSource,
} from "@requant/core/format";
import { type Exl2Layout, exl2Codec, exl2Groups } from "./codec.ts";
import { parseExl2Config } from "./config.ts";

/** EXL2 of exllamav2. */
export const exl2Source: PackedSource = {
  name: "exl2",
  runtimes: { exllamav2: {} },
  methods: [{ names: ["exl2"], toolFiles: ["job_new.json", "measurement.json"], leavesFloats: true }],
  selfDescribing: true,
  // of exllamav2
  configKeys: ["bits", "calibration", "head_bits", "quant_method", "version"],
  find: (tensors) => findBySuffixes(tensors, exl2Codec.suffixes, isExl2),
  reader: exl2Reader,
};

const SIGNS: readonly string[] = ["q_weight", "q_groups", "q_scale", "q_scale_max"];

/** A lone q_weight of floats is the scale of a norm: PLaMo 2 names one so. */
function isExl2(parts: readonly LinearPart[]): boolean {
  return parts.some(
    ({ suffix, encoding }) => SIGNS.includes(suffix) && (suffix !== "q_weight" || encoding === "I32"),
  );
}

function exl2Reader(json: unknown, hints: ModuleHints, place: ErrorPlace): LinearReader {
  const config = json === undefined ? undefined : parseExl2Config(json, place);
  return {
    claims: config === undefined ? {} : { bits: config.bits, headBits: config.headBits },
    claimsModule: () => true,
    openable(module, parts, at) {
      const stored = parts.find(({ suffix }) => suffix === "q_weight")?.shape[1];
      const layout = exl2Codec.readLayout(parts, { rows: outFeatures(module, stored, hints) }, at);
      return openableWeight(exl2Codec, layout, "EXL2", at, (bytes) => {
        const facts = exl2Codec.measure(layout, bytes, at);
        const { widths, groupSize } = groupsOf(layout, bytes, at);
        return {
          layout,
          facts,
          settings: {
            bits: widths.join("+"),
            bitsVary: true,
            groupSize,
            symmetric: true,
            actOrder: facts.scattered ? "real" : facts.groupCount > 1 ? "none" : "trivial",
            variant: layout.permutation,
          },
          findings: [],
        };
      });
    },
  };
}

function groupsOf(
  layout: Exl2Layout,
  bytes: PartBytes,
  place: ErrorPlace,
): { widths: readonly number[]; groupSize: number | "mixed" } {
  const groups = exl2Groups(layout, bytes, place);
  const sizes = groups.map(({ start, end }) => end - start);
  const first = sizes[0] ?? layout.columns;
  // the last group of a weight may be short
  const same = sizes.every((size, index) => size === first || (index === sizes.length - 1 && size < first));
  return { widths: [...new Set(groups.map(({ bits }) => bits))], groupSize: same ? first : "mixed" };
}

/**
 * Stored rows are padded to a multiple of 32; the true number comes from the weight's bias or from the model's sizes.
 * Undefined: all stored rows.
 */
function outFeatures(module: string, stored: number | undefined, hints: ModuleHints): number | undefined {
  const bias = hints.shapeOf(`${module}.bias`)?.[0];
  if (bias !== undefined) return bias;
  if (stored === undefined) return undefined;
  return rowsByConfig(module, hints).find((rows) => rows <= stored && stored - rows < 32);
}

/** The rows of a module of this name, from a config.json with Llama's keys. */
function rowsByConfig(module: string, { config, shapeOf }: ModuleHints): number[] {
  const size = (key: string): number | undefined => {
    const value = config?.[key];
    return typeof value === "number" && Number.isSafeInteger(value) && value > 0 ? value : undefined;
  };
  const hidden = size("hidden_size");
  const heads = size("num_attention_heads");
  const headSize = size("head_dim") ?? (hidden && heads ? hidden / heads : undefined);
  const times = (count: number | undefined): number | undefined =>
    count === undefined || headSize === undefined ? undefined : count * headSize;
  const embedding = shapeOf("model.embed_tokens.weight")?.[0] ?? size("vocab_size");
  const name = module.split(".").at(-1) ?? "";
  const byName: Readonly<Record<string, number | undefined>> = {
    lm_head: embedding,
    q_proj: times(heads),
    k_proj: times(size("num_key_value_heads") ?? heads),
    v_proj: times(size("num_key_value_heads") ?? heads),
    o_proj: hidden,
    gate_proj: size("intermediate_size"),
    up_proj: size("intermediate_size"),
    down_proj: hidden,
  };
  const found = byName[name];
  return found === undefined ? [] : [found];
}
