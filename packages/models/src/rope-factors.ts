/**
 * Rope factors: tensors that llama.cpp's converter computes from config.json, and the settings that are restored from
 * their values (llama.cpp, conversion/llama.py, conversion/phi.py; transformers, modeling_rope_utils.py).
 */

import type { Finding } from "@requant/core";
import type { ConfigDraft, ExtraTensor } from "./architectures/architecture.ts";
import type { Config } from "./config.ts";
import { arrayField, type JsonObject, numberField, textField } from "./json.ts";
import { shortestFloat } from "./metadata-values.ts";
import { note } from "./note.ts";
import { setRope } from "./rope.ts";
import { LAST_BITS, type Llama3Scaling, llama3Factors, solveLlama3 } from "./rope-llama3.ts";

/** llama.cpp's names of rope factors: small F32 tensors from which config.json is restored. */
export const ropeTensors: readonly string[] = [
  "rope_freqs.weight",
  "rope_factors_long.weight",
  "rope_factors_short.weight",
];

function ropeType(config: Config): string {
  return (textField(config.rope(), "rope_type") ?? "default").toLowerCase();
}

function llama3ScalingOf(config: Config): Llama3Scaling | undefined {
  if (ropeType(config) !== "llama3") return undefined;
  const rope = config.rope();
  return {
    factor: numberField(rope, "factor") ?? 8,
    low: numberField(rope, "low_freq_factor") ?? 1,
    high: numberField(rope, "high_freq_factor") ?? 4,
    // llama.cpp's converter always assumes 8192, which is the value of every model so far
    context:
      config.number("original_max_position_embeddings") ??
      numberField(rope, "original_max_position_embeddings") ??
      8192,
  };
}

const theta = (config: Config): number => numberField(config.rope(), "rope_theta") ?? 10000;

function setLlama3(draft: ConfigDraft, { factor, low, high, context }: Llama3Scaling): JsonObject {
  const rope: JsonObject = {
    rope_type: "llama3",
    factor,
    low_freq_factor: low,
    high_freq_factor: high,
    original_max_position_embeddings: context,
  };
  for (const [key, value] of Object.entries(rope)) setRope(draft, key, value);
  return rope;
}

/** rope_freqs.weight of models with Llama 3 scaling. */
export const llama3RopeFactors: ExtraTensor = {
  name: "rope_freqs.weight",
  values(config) {
    const scaling = llama3ScalingOf(config);
    return scaling && llama3Factors(theta(config), config.headLength, scaling);
  },
  restore(values, draft, config) {
    if (values === undefined) {
      const rope = setLlama3(draft, { factor: 8, low: 1, high: 4, context: 8192 });
      draft.assume("rope_scaling", rope, "rope_freqs.weight was not read; Llama 3.1's settings are taken");
      return;
    }
    const found = solveLlama3(values, theta(config));
    if (found === undefined) return;
    const rope = setLlama3(draft, found.scaling);
    if (found.doubt !== undefined) draft.assume("rope_scaling", rope, found.doubt);
  },
};

/** True for the scaling that has a factor for every pair of dimensions; "su" is its old name. */
export function isLongRope(config: Config): boolean {
  return ["longrope", "su"].includes(ropeType(config));
}

/** One of the two factor tensors of longrope. */
export function longRopeFactors(name: string, key: "long_factor" | "short_factor"): ExtraTensor {
  return {
    name,
    values(config) {
      const factors = isLongRope(config) ? arrayField(config.rope(), key) : undefined;
      return factors?.map((factor) => (typeof factor === "number" ? Math.fround(factor) : 1));
    },
    restore(values, draft) {
      setRope(draft, "rope_type", "longrope");
      if (values === undefined) draft.assume("rope_scaling", null, `${name} was not read: ${key} is missing`);
      else setRope(draft, key, Array.from(values, shortestFloat));
    },
  };
}

/** Types that need no GGUF key, and types that the generic keys describe completely. */
const plainTypes = ["default", "none", "mrope"];
const keyedTypes = ["linear", "yarn"];

/** The note for a config.json whose rope scaling llama.cpp's converter does not write. */
export function unwrittenRope(
  config: Config,
  writtenType: string | undefined,
  tensorNames: Iterable<string>,
): Finding | undefined {
  const type = ropeType(config);
  if (plainTypes.includes(type)) return undefined;
  const written = keyedTypes.includes(type)
    ? writtenType === type
    : [...tensorNames].some((name) => ropeTensors.includes(name));
  if (written) return undefined;
  return note(
    "not-stored",
    `The config.json asks for rope scaling "${type}": llama.cpp's converter writes no such scaling for this family, so the GGUF computes without it.`,
    { path: "config.json" },
  );
}

/** How the values that config.json gives differ from those of the GGUF; undefined where they are equal. */
function differenceOf(made: ArrayLike<number>, values: ArrayLike<number>): string | undefined {
  if (made.length !== values.length)
    return `config.json gives ${made.length} factors, the GGUF has ${values.length}`;
  let differing = 0;
  let onlyLastBits = true;
  for (let index = 0; index < values.length; index++) {
    const [one, other] = [made[index] ?? Number.NaN, values[index] ?? Number.NaN];
    if (Object.is(one, other)) continue;
    differing++;
    if (!(Math.abs(one - other) <= LAST_BITS * Math.abs(other))) onlyLastBits = false;
  }
  if (differing === 0) return undefined;
  const count = `${differing} of ${values.length} factors`;
  return onlyLastBits
    ? `config.json gives the same rope scaling; computed from it, ${count} differ in their last bits`
    : `no rope setting of config.json gives these factors; with the nearest, ${count} differ`;
}

/**
 * The rope tensors of a GGUF that a config.json does not reproduce bit by bit, with the reason.
 * @param tensors values by name, where they were read.
 */
export function unheldRopeTensors(
  extraTensors: readonly ExtraTensor[],
  config: Config,
  tensors: ReadonlyMap<string, ArrayLike<number>>,
): ReadonlyMap<string, string> {
  const reasons = new Map<string, string>();
  for (const name of ropeTensors) {
    const values = tensors.get(name);
    if (values === undefined) continue;
    const rule = extraTensors.find((extra) => extra.name === name);
    const made = rule?.values(config);
    const reason =
      rule === undefined
        ? "this family's config.json has no setting for rope factors"
        : made === undefined
          ? "no rope setting of config.json gives these factors, so it has none"
          : differenceOf(made, values);
    if (reason !== undefined) reasons.set(name, reason);
  }
  return reasons;
}
