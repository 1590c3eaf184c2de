import { type ErrorPlace, FormatError, misfitOf } from "@requant/core";
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
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    throw new FormatError(
      `The quantization configuration is none of quanto: ${misfitOf(parsed.error.issues, json)}.`,
      place,
    );
  }
  return {
    weights: parsed.data.weights ?? undefined,
    modulesToNotConvert: parsed.data.modules_to_not_convert ?? [],
  };
}
