import { type ErrorPlace, FormatError, misfitOf } from "@requant/core";
import * as z from "zod/mini";

/** What config.json's `quantization_config` claims. */
export interface TorchaoConfig {
  /** Modules that stay floats. */
  readonly modulesToNotConvert: readonly string[];
}

const configSchema = z.looseObject({
  modules_to_not_convert: z.nullish(z.array(z.string())),
});

/** Reads `quantization_config` of config.json. @throws FormatError when it is no such configuration */
export function parseTorchaoConfig(json: unknown, place: ErrorPlace = {}): TorchaoConfig {
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    throw new FormatError(
      `The quantization configuration is none of torchao: ${misfitOf(parsed.error.issues, json)}.`,
      place,
    );
  }
  return { modulesToNotConvert: parsed.data.modules_to_not_convert ?? [] };
}
