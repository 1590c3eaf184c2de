import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** What config.json's `quantization_config` claims. The tensors have the last word. */
export interface HqqConfig {
  /** Undefined where linear layers have settings of their own. */
  readonly bits: number | undefined;
  readonly groupSize: number | undefined;
  /** Modules that stay floats. */
  readonly skipModules: readonly string[];
}

const weightSchema = z.looseObject({ nbits: z.nullish(z.int()), group_size: z.nullish(z.int()) });

const configSchema = z.looseObject({
  quant_config: z.nullish(z.looseObject({ weight_quant_params: z.nullish(weightSchema) })),
  skip_modules: z.nullish(z.array(z.string())),
});

/** Reads `quantization_config` of config.json. @throws FormatError when it is no such configuration */
export function parseHqqConfig(json: unknown, place: ErrorPlace = {}): HqqConfig {
  const config = parseConfig(configSchema, json, "an HQQ configuration", place);
  const weights = config.quant_config?.weight_quant_params;
  return {
    bits: weights?.nbits ?? undefined,
    groupSize: weights?.group_size ?? undefined,
    skipModules: config.skip_modules ?? [],
  };
}
