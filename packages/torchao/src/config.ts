import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
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
  const config = parseConfig(configSchema, json, "a torchao configuration", place);
  return { modulesToNotConvert: config.modules_to_not_convert ?? [] };
}
