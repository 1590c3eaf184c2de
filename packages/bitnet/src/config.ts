import type { ErrorPlace } from "@requant/core";
import { parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** What config.json's `quantization_config` claims. */
export interface BitnetConfig {
  /** "autobitlinear": the scale of a weight is a factor; "bitlinear": a divisor. */
  readonly linearClass: "bitlinear" | "autobitlinear";
  /** Modules that stay floats. */
  readonly modulesToNotConvert: readonly string[];
}

const configSchema = z.looseObject({
  linear_class: z.nullish(z.enum(["bitlinear", "autobitlinear"])),
  modules_to_not_convert: z.nullish(z.array(z.string())),
});

/** Reads `quantization_config` of config.json. @throws FormatError when it is no such configuration */
export function parseBitnetConfig(json: unknown, place: ErrorPlace = {}): BitnetConfig {
  const config = parseConfig(configSchema, json, "a BitNet configuration", place);
  return {
    linearClass: config.linear_class ?? "bitlinear",
    modulesToNotConvert: config.modules_to_not_convert ?? [],
  };
}
