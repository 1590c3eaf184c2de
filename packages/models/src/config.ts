/**
 * A model's config.json as its class reads it: keys of a nested text model replace those of the root, the class's
 * defaults are filled in, and the rope settings of all versions have one shape. llama.cpp's converter reads
 * `AutoConfig.to_dict()`, so defaults count as if config.json contained them (transformers 5.12.1; conversion/base.py).
 */
import { ConversionError, FormatError } from "@requant/core";
import { quoted } from "@requant/core/text";
import { field, isJsonObject, type JsonObject, type JsonValue } from "./json.ts";

/** @inline */
export type ConfigValues = Map<string, JsonValue>;

/** Reads a resolved config; numbers are checked to be numbers. */
export class Config {
  readonly values: ReadonlyMap<string, JsonValue>;

  constructor(values: ReadonlyMap<string, JsonValue>) {
    this.values = values;
  }

  /** The value of one key, whatever its type; undefined where the configuration does not have it. */
  get(key: string): JsonValue | undefined {
    return this.values.get(key);
  }

  /** Value of the first key that is present, even if it is null. */
  find(...keys: readonly string[]): JsonValue | undefined {
    const key = keys.find((candidate) => this.values.has(candidate));
    return key === undefined ? undefined : this.values.get(key);
  }

  /** A number under the first key present; undefined when it is null or missing. */
  number(...keys: readonly string[]): number | undefined {
    const value = this.find(...keys);
    if (value === undefined || value === null) return undefined;
    if (typeof value !== "number") {
      throw new FormatError(
        `The config.json gives ${quoted(value)} as ${keys.join(" or ")}, which must be a number.`,
        {
          path: "config.json",
        },
      );
    }
    return value;
  }

  /** A count: an integer ≥ 0. */
  count(...keys: readonly string[]): number | undefined {
    const value = this.number(...keys);
    if (value !== undefined && (!Number.isSafeInteger(value) || value < 0)) {
      throw new FormatError(
        `The config.json gives ${value} as ${keys.join(" or ")}, which must be a whole number of at least 0.`,
        {
          path: "config.json",
        },
      );
    }
    return value;
  }

  /** @throws ConversionError when the count is missing. */
  need(...keys: readonly string[]): number {
    const value = this.count(...keys);
    if (value === undefined) {
      throw new ConversionError(`The config.json gives no ${keys.join(" or ")}.`, {
        path: "config.json",
        hint: "Give a GGUF of the same model as `like`: its metadata is taken.",
      });
    }
    return value;
  }

  /** True or false; undefined where the key is missing or holds something else. */
  flag(key: string): boolean | undefined {
    const value = this.values.get(key);
    return typeof value === "boolean" ? value : undefined;
  }

  /** A string; undefined where the key is missing or holds something else. */
  text(key: string): string | undefined {
    const value = this.values.get(key);
    return typeof value === "string" ? value : undefined;
  }

  /** The class that config.json names. */
  get className(): string | undefined {
    const names = this.values.get("architectures");
    const [name] = Array.isArray(names) ? names : [];
    return typeof name === "string" ? name : undefined;
  }

  /** Rope settings in transformers 5's shape; `layerType` picks a set where each attention type has its own. */
  rope(layerType = "full_attention"): RopeParameters {
    const value = this.values.get("rope_parameters");
    const all = isJsonObject(value) ? value : {};
    const own = field(all, layerType);
    if (isJsonObject(own)) return own;
    return Object.values(all).some(isJsonObject) ? {} : all;
  }

  /** Length of one attention head. */
  get headLength(): number {
    const own = this.count("head_dim");
    if (own !== undefined) return own;
    const heads = this.need("num_attention_heads", "n_head");
    if (heads === 0) throw new FormatError("The model has 0 attention heads.", { path: "config.json" });
    return Math.floor(this.need("hidden_size", "n_embd") / heads);
  }
}

export type RopeParameters = JsonObject;

const nestedNames = ["llm_config", "lm_config", "text_config", "language_config"];

function flattened(config: JsonObject): ConfigValues {
  const values: ConfigValues = new Map(Object.entries(config));
  for (const name of nestedNames) {
    const nested = field(config, name);
    if (!isJsonObject(nested)) continue;
    for (const [key, value] of Object.entries(nested)) values.set(key, value);
  }
  const thinker = field(config, "thinker_config");
  const text = isJsonObject(thinker) ? field(thinker, "text_config") : undefined;
  if (isJsonObject(text)) for (const [key, value] of Object.entries(text)) values.set(key, value);
  return values;
}

/** Numbers of the rope settings. Without a check, a text in place of a number would be ignored in favour of the default. */
const ropeNumbers = [
  "rope_theta",
  "partial_rotary_factor",
  "original_max_position_embeddings",
  "factor",
  "low_freq_factor",
  "high_freq_factor",
  "attention_factor",
  "beta_fast",
  "beta_slow",
];

function standardRope(
  given: JsonObject,
  root: ReadonlyMap<string, JsonValue>,
  fallback: JsonObject | undefined,
): JsonObject {
  const rope = new Map<string, JsonValue>(Object.entries(given));
  const type = rope.get("rope_type") ?? rope.get("type") ?? "default";
  rope.delete("type");
  rope.set("rope_type", type);
  for (const key of ["rope_theta", "partial_rotary_factor", "original_max_position_embeddings"]) {
    if (rope.has(key)) continue;
    const value =
      root.get(key) ?? (key === "original_max_position_embeddings" ? undefined : field(fallback, key));
    if (value !== undefined && value !== null) rope.set(key, value);
  }
  for (const key of ropeNumbers) {
    const value = rope.get(key);
    if (value === undefined || value === null || typeof value === "number") continue;
    throw new FormatError(`The config.json gives ${quoted(value)} as ${key}, which must be a number.`, {
      path: "config.json",
    });
  }
  return Object.fromEntries(rope);
}

/** Puts rope_parameters (transformers 5), or rope_scaling with rope_theta (before), into transformers 5's shape. */
export function standardizeRope(values: ConfigValues, defaults: JsonObject): void {
  const fallbackValue = field(defaults, "rope_parameters");
  const fallback = isJsonObject(fallbackValue) ? fallbackValue : undefined;
  const given = values.get("rope_parameters") ?? values.get("rope_scaling");
  const parameters = isJsonObject(given) ? given : {};
  if (Object.values(parameters).some(isJsonObject)) {
    const byType = new Map<string, JsonValue>();
    for (const [layerType, value] of Object.entries(parameters)) {
      const own = field(fallback, layerType);
      if (isJsonObject(value))
        byType.set(layerType, standardRope(value, values, isJsonObject(own) ? own : fallback));
    }
    values.set("rope_parameters", Object.fromEntries(byType));
    return;
  }
  values.set("rope_parameters", standardRope(parameters, values, fallback));
}

/** How a config class completes config.json. */
export interface ConfigClass {
  /** The class's defaults, without the settings that only training uses (transformers 5.12.1). */
  readonly defaults: JsonObject;
  /** Other spellings of config keys that the class accepts. */
  readonly aliases?: Readonly<Record<string, string>>;
  /** Values that the class derives when they are missing or null. */
  readonly derive?: readonly ((values: ConfigValues) => void)[];
  /** False for families without rotary positions. */
  readonly hasRope?: boolean;
}

/** The config as its class reads it. */
export function resolveConfig(json: JsonObject, configClass: ConfigClass): Config {
  const own = flattened(json);
  const values: ConfigValues = new Map(Object.entries(configClass.defaults));
  values.delete("rope_parameters");
  for (const [key, value] of own) values.set(key, value);
  for (const [alias, key] of Object.entries(configClass.aliases ?? {})) {
    const value = own.get(alias);
    if (value !== undefined && !own.has(key)) values.set(key, value);
  }
  if (configClass.hasRope !== false) standardizeRope(values, configClass.defaults);
  for (const step of configClass.derive ?? []) step(values);
  return new Config(values);
}
