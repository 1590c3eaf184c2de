/** Keys of a quantization configuration that nothing reads: each is named, so that no setting is passed over in silence. */
import type { Finding } from "@requant/core";
import type { WeightFormat } from "@requant/core/format";
import { claimedConfig, methodsOf } from "./claimed-config.ts";
import { finding } from "./findings/finding.ts";
import type { QuantizationConfig } from "./quantization-config.ts";

type Json = Readonly<Record<string, unknown>>;

/** Long lists of keys and long keys are cut. */
const MOST_KEYS = 8;
const LONGEST_KEY = 60;

/**
 * Of a configuration that another one stands before. Of a method without a format all keys are unknown: that such a
 * configuration is not used is said elsewhere.
 */
export function unusedConfigFindings(
  config: QuantizationConfig,
  formats: readonly WeightFormat[],
): Finding[] {
  const claimed = claimedConfig(config, formats)?.format;
  const format = formats.find(({ name }) => name === claimed);
  return format === undefined ? [] : unknownKeyFindings(config, format, formats);
}

/** Of the configuration by which the weights of a format are read. */
export function unknownKeyFindings(
  { path, method, json }: QuantizationConfig,
  format: WeightFormat,
  formats: readonly WeightFormat[],
): Finding[] {
  const methods = formats.flatMap((one) => methodsOf(one, method));
  const known = new Set([...format.configKeys, ...methods.flatMap(({ keys }) => keys ?? [])]);
  const inner = [format, ...methods].flatMap(({ innerKeys }) => Object.entries(innerKeys ?? {}));
  const unknown = [
    ...unknownKeys(json, known).filter((key) => format.moduleKeys !== true || !isOfModule(json[key])),
    ...inner.flatMap(([at, keys]) => unknownInside(json, at, keys)),
  ];
  if (unknown.length === 0) return [];
  const named = [...new Set(unknown)].slice(0, MOST_KEYS).map((key) => key.slice(0, LONGEST_KEY));
  const more = unknown.length > MOST_KEYS ? [`and ${unknown.length - MOST_KEYS} more`] : [];
  return [
    finding(
      "quantization-config",
      `These keys of the quantization configuration are not known and not used: ${[...named, ...more].join(", ")}.`,
      { path },
    ),
  ];
}

function unknownKeys(json: Json, known: ReadonlySet<string>): string[] {
  return Object.keys(json).filter((key) => !known.has(key) && json[key] !== null);
}

/** Of all objects at a path such as `config_groups.*.weights`, with the path before each key. */
function unknownInside(json: Json, path: string, keys: readonly string[]): string[] {
  const known = new Set(keys);
  let found: (readonly [at: string, object: Json])[] = [["", json]];
  for (const step of path.split(".")) {
    found = found.flatMap(([at, object]) =>
      (step === "*" ? Object.keys(object) : [step]).flatMap((key) => {
        const value = Object.hasOwn(object, key) ? object[key] : undefined;
        return isObject(value) ? [[`${at}${key}.`, value] as const] : [];
      }),
    );
  }
  return found.flatMap(([at, object]) => unknownKeys(object, known).map((key) => at + key));
}

/** Settings of one module, or whether it has any. */
function isOfModule(value: unknown): boolean {
  return isObject(value) || typeof value === "boolean";
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
