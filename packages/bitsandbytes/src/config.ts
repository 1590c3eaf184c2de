import type { ErrorPlace } from "@requant/core";
import { isNamedModule, parseConfig } from "@requant/core/format";
import * as z from "zod/mini";

/** What config.json's `quantization_config` claims. The tensors have the last word. */
export interface BitsAndBytesConfig {
  readonly bits: 4 | 8 | undefined;
  /** "nf4" or "fp4", of 4-bit weights. */
  readonly quantType: string | undefined;
  readonly doubleQuant: boolean | undefined;
  /** Modules that stay floats; undefined: the head. */
  readonly skipModules: readonly string[] | undefined;
}

const configSchema = z.looseObject({
  load_in_4bit: z.nullish(z.boolean()),
  load_in_8bit: z.nullish(z.boolean()),
  bnb_4bit_quant_type: z.nullish(z.string()),
  bnb_4bit_use_double_quant: z.nullish(z.boolean()),
  llm_int8_skip_modules: z.nullish(z.array(z.string())),
});

/** Keys of transformers' `BitsAndBytesConfig`. Those that are not read change how a model is loaded, and no value. */
export const BITS_AND_BYTES_KEYS: readonly string[] = [
  "_load_in_4bit",
  "_load_in_8bit",
  "bnb_4bit_compute_dtype",
  "bnb_4bit_quant_storage",
  "bnb_4bit_quant_type",
  "bnb_4bit_use_double_quant",
  "llm_int8_enable_fp32_cpu_offload",
  "llm_int8_has_fp16_weight",
  "llm_int8_skip_modules",
  "llm_int8_threshold",
  "load_in_4bit",
  "load_in_8bit",
  "quant_method",
];

/** Reads `quantization_config` of config.json. @throws FormatError when it is no such configuration */
export function parseBitsAndBytesConfig(json: unknown, place: ErrorPlace = {}): BitsAndBytesConfig {
  const config = parseConfig(configSchema, json, "a bitsandbytes configuration", place);
  const {
    load_in_4bit,
    load_in_8bit,
    bnb_4bit_quant_type,
    bnb_4bit_use_double_quant,
    llm_int8_skip_modules,
  } = config;
  // configurations of 8-bit models have the keys of 4-bit models too
  const bits = load_in_8bit === true ? 8 : load_in_4bit === true ? 4 : undefined;
  return {
    bits,
    quantType: bits === 4 ? (bnb_4bit_quant_type ?? "fp4") : undefined,
    doubleQuant: bits === 4 ? (bnb_4bit_use_double_quant ?? false) : undefined,
    skipModules: llm_int8_skip_modules ?? undefined,
  };
}

/** What a written configuration says. */
export interface WrittenConfig {
  readonly quantType: string;
  readonly doubleQuant: boolean;
  readonly computeDtype: string;
  readonly skipModules: readonly string[];
}

/**
 * The object for `quantization_config` of config.json, with the keys of transformers. It has no `llm_int8_threshold`, which
 * four-bit weights do not use: transformers takes no integer for it, and JSON.stringify writes 6.0 as 6.
 */
export function serializeBitsAndBytesConfig(config: WrittenConfig): Record<string, unknown> {
  return {
    _load_in_4bit: true,
    _load_in_8bit: false,
    bnb_4bit_compute_dtype: config.computeDtype,
    bnb_4bit_quant_storage: "uint8",
    bnb_4bit_quant_type: config.quantType,
    bnb_4bit_use_double_quant: config.doubleQuant,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    llm_int8_skip_modules: config.skipModules.length === 0 ? null : [...config.skipModules],
    load_in_4bit: true,
    load_in_8bit: false,
    quant_method: "bitsandbytes",
  };
}

/** Whether the configuration has a module packed: transformers skips modules by names, and parts of names between dots. */
export function bitsAndBytesQuantizesModule({ skipModules }: BitsAndBytesConfig, module: string): boolean {
  return !isNamedModule(skipModules ?? ["lm_head"], module);
}
