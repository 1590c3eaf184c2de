/**
 * Ranges of the numbers in a config.json that hold for every class: what lies outside them is computed with all the same by
 * some runtimes, and gives NaN or nonsense without a word. The keys are those of transformers' config classes.
 */
import { FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { field, isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

interface Range {
  /** What a message says is allowed. */
  readonly allowed: string;
  holds(value: number): boolean;
}

const LARGEST_FLOAT32 = 3.4028234663852886e38;

const size: Range = {
  allowed: "an integer from 1 on",
  holds: (value) => Number.isSafeInteger(value) && value >= 1,
};
const positive: Range = {
  allowed: "a number above 0 that a 32-bit float holds",
  holds: (value) => value > 0 && value <= LARGEST_FLOAT32,
};
const epsilon: Range = { allowed: "a number from 0 to 1", holds: (value) => value >= 0 && value < 1 };
const share: Range = { allowed: "a number above 0 and at most 1", holds: (value) => value > 0 && value <= 1 };

const rootRanges: ReadonlyMap<string, Range> = new Map([
  ...["hidden_size", "n_embd", "head_dim", "num_attention_heads", "n_head", "num_key_value_heads"].map(
    (key) => [key, size] as const,
  ),
  ...["vocab_size", "max_position_embeddings"].map((key) => [key, size] as const),
  ...["rope_theta", "rope_local_base_freq", "rotary_emb_base"].map((key) => [key, positive] as const),
  ...[
    "rms_norm_eps",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layernorm_epsilon",
    "norm_eps",
    "norm_epsilon",
  ].map((key) => [key, epsilon] as const),
  ...["partial_rotary_factor", "rotary_pct"].map((key) => [key, share] as const),
]);

const ropeRanges: ReadonlyMap<string, Range> = new Map([
  ...[
    "rope_theta",
    "factor",
    "low_freq_factor",
    "high_freq_factor",
    "original_max_position_embeddings",
    "attention_factor",
    "beta_fast",
    "beta_slow",
    "long_factor",
    "short_factor",
  ].map((key) => [key, positive] as const),
  ["partial_rotary_factor", share],
]);

/** Types of rope scaling of transformers (modeling_rope_utils.py) and of the models' own code. */
const ROPE_TYPES: ReadonlySet<string> = new Set([
  "default",
  "none",
  "linear",
  "dynamic",
  "yarn",
  "longrope",
  "su",
  "llama3",
  "proportional",
  "mrope",
  "xdrope",
  "ntk",
]);

const ROPE_KEYS: readonly string[] = ["rope_scaling", "rope_parameters"];

/** Configs of text models inside that of a model with more parts. */
const INNER_KEYS: readonly string[] = [
  "llm_config",
  "lm_config",
  "text_config",
  "language_config",
  "thinker_config",
];

/** @throws FormatError naming the first key of config.json whose value no model can have, and what is allowed */
export function refuseOutOfRange(config: JsonObject, place = ""): void {
  for (const [key, range] of rootRanges) checkNumbers(field(config, key), range, place + key);
  for (const key of ROPE_KEYS) checkRope(field(config, key), place + key);
  for (const key of INNER_KEYS) {
    const inner = field(config, key);
    if (isJsonObject(inner)) refuseOutOfRange(inner, `${place}${key}.`);
  }
}

/** One set of settings, or one for each type of attention. */
function checkRope(value: JsonValue | undefined, place: string): void {
  if (!isJsonObject(value)) return;
  for (const [key, inner] of Object.entries(value)) checkRope(inner, `${place}.${key}`);
  for (const key of ["rope_type", "type"]) {
    const type = field(value, key);
    if (type === undefined || type === null) continue;
    if (typeof type === "string" && ROPE_TYPES.has(type.toLowerCase())) continue;
    throw refusal(`${place}.${key}`, type, `one of ${[...ROPE_TYPES].join(", ")}`);
  }
  for (const [key, range] of ropeRanges) checkNumbers(field(value, key), range, `${place}.${key}`);
}

/** A number, or a list of numbers. */
function checkNumbers(value: JsonValue | undefined, range: Range, place: string): void {
  for (const one of Array.isArray(value) ? value : [value]) {
    // no value is the class's default; what is no number at all is refused where it is read
    if (typeof one === "number" && !range.holds(one)) throw refusal(place, one, range.allowed);
  }
}

function refusal(key: string, value: JsonValue, allowed: string): FormatError {
  const found = typeof value === "number" ? String(value) : quoted(value);
  return new FormatError(`In config.json, ${key} is ${found}; allowed is ${allowed}.`, {
    path: "config.json",
    hint: "Take config.json from the original model.",
  });
}
