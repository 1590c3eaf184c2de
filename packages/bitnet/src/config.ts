import { type ErrorPlace, FormatError, misfitOf } from "@requant/core";
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
  const parsed = configSchema.safeParse(json);
  if (!parsed.success) {
    throw new FormatError(
      `The quantization configuration is none of BitNet: ${misfitOf(parsed.error.issues, json)}.`,
      place,
    );
  }
  return {
    linearClass: parsed.data.linear_class ?? "bitlinear",
    modulesToNotConvert: parsed.data.modules_to_not_convert ?? [],
  };
}
