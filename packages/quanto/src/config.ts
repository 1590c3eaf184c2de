import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** What config.json's `quantization_config` claims. The tensors have the last word. */
export interface QuantoConfig {
  /** "int8", "int4", "int2", "float8". */
  readonly weights: string | undefined;
  /** Modules that stay floats. */
  readonly modulesToNotConvert: readonly string[];
}

const configSchema = z.looseObject({
  weights: z.nullish(z.string()),
  modules_to_not_convert: z.nullish(z.array(z.string())),
});

/** Reads `quantization_config` of config.json. @throws FormatError when it is no such configuration */
export function parseQuantoConfig(json: unknown, place: ErrorPlace = {}): QuantoConfig {
  const config = parseConfig(configSchema, json, "a quanto configuration", place);
  return {
    weights: config.weights ?? undefined,
    modulesToNotConvert: config.modules_to_not_convert ?? [],
  };
}
