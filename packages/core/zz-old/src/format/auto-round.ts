/**
 * AutoRound's configuration, over tensors of other formats (auto-round, auto_round/export/export_to_autoround/export.py;
 * vLLM, model_executor/layers/quantization/auto_round.py). `packing_format` decides how the weights are stored. Each of
 * those formats maps what is read here to its own settings.
 */
import { type ErrorPlace, UnsupportedError } from "../errors.ts";
import type { FormatMethod } from "./quant-method.ts";

type Json = Readonly<Record<string, unknown>>;

/** A module in 16 bits or more is a plain float weight. */
const FLOAT_BITS = 16;
/** The packing of a configuration that names none, as vLLM assumes. */
const DEFAULT_PACKING = "auto_round:auto_gptq";

/** Characters that make a name of `extra_config` a pattern, which is searched for anywhere (vLLM). */
const PATTERN = /[*+?^$()[\]{}|\\]/;

/** AutoRound as a method: what is the same for every format that it packs its weights in. */
export const autoRoundMethod: FormatMethod = {
  names: ["auto-round", "intel/auto-round"],
  isSign: (settings) => "packing_format" in settings || "autoround_version" in settings,
  files: [{ name: "quantization_config.json" }],
  decidingKeys: [["packing_format"]],
  leavesFloats: true,
  // the keys that are read, and the settings of the search for the codes (auto-round, auto_round/compressors and
  // schemes.py)
  keys: [
    "packing_format",
    "extra_config",
    "data_type",
    "autoround_version",
    "block_name_to_quantize",
    "to_quant_block_names",
    "quant_lm_head",
    "model_dtype",
    "scale_dtype",
    "amp",
    "batch_size",
    "dataset",
    "enable_alg_ext",
    "enable_minmax_tuning",
    "enable_norm_bias_tuning",
    "enable_quanted_input",
    "gradient_accumulate_steps",
    "iters",
    "low_gpu_mem_usage",
    "lr",
    "minmax_lr",
    "nblocks",
    "nsamples",
    "seqlen",
    "act_bits",
    "act_data_type",
    "act_dynamic",
    "act_group_size",
    "act_sym",
    "static_attention_dtype",
    "static_attention_granularity",
    "static_kv_dtype",
    "static_kv_granularity",
  ],
  // of a scheme (auto-round, auto_round/schemes.py, `QuantizationScheme`); those of activations change no weight
  innerKeys: {
    "extra_config.*": [
      "bits",
      "group_size",
      "sym",
      "data_type",
      "act_bits",
      "act_data_type",
      "act_dynamic",
      "act_group_size",
      "act_sym",
      "fixed_by_user",
      "in_blocks",
      "scale_dtype",
    ],
  },
};

/** The AutoRound packings that Requant reads: AutoRound's own, and those of two other tools. */
export type AutoRoundPacking = "auto_round" | "auto_gptq" | "auto_awq";

const PACKINGS: readonly (readonly [pattern: RegExp, packing: AutoRoundPacking])[] = [
  [/^auto_round$/, "auto_round"],
  [/^auto_round:(?:auto_)?gptq/, "auto_gptq"],
  [/^auto_round:(?:auto_)?awq/, "auto_awq"],
];

/** What `extra_config` changes for single modules; a key that is missing there keeps the value of the whole model. */
export interface AutoRoundOverride {
  /** A module's whole name, or a pattern that is searched for anywhere in it. */
  readonly name: string;
  readonly isPattern: boolean;
  /** True where the module is left in floats. */
  readonly isFloat: boolean;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** A configuration of AutoRound whose packing is known. */
export interface AutoRoundConfig {
  readonly packing: AutoRoundPacking;
  /** Whole names before patterns. */
  readonly overrides: readonly AutoRoundOverride[];
}

/** How the weights are packed; undefined for an unsupported packing. */
export function autoRoundPacking(settings: Readonly<Record<string, unknown>>): AutoRoundPacking | undefined {
  const name = packingNameOf(settings);
  return PACKINGS.find(([pattern]) => pattern.test(name))?.[1];
}

/**
 * Reads a configuration that AutoRound wrote.
 * @param accepted packings under which the caller's format can be stored
 * @throws UnsupportedError for another packing, and for codes that are not integers
 */
export function readAutoRound(
  settings: Readonly<Record<string, unknown>>,
  accepted: readonly AutoRoundPacking[],
  place: ErrorPlace,
): AutoRoundConfig {
  const packing = autoRoundPacking(settings);
  if (packing === undefined || !accepted.includes(packing) || !isInteger(settings["data_type"])) {
    throw unreadPacking(settings, place);
  }
  return { packing, overrides: overridesOf(settings) };
}

function packingNameOf(settings: Json): string {
  const name = settings["packing_format"];
  return typeof name === "string" ? name : DEFAULT_PACKING;
}

function isInteger(dataType: unknown): boolean {
  return typeof dataType !== "string" || dataType.startsWith("int");
}

function unreadPacking(settings: Json, place: ErrorPlace): UnsupportedError {
  const { data_type } = settings;
  const type = data_type === undefined ? "" : ` and data_type ${JSON.stringify(data_type)}`;
  return new UnsupportedError(
    `AutoRound's packing_format ${JSON.stringify(packingNameOf(settings))}${type} is not supported for these tensors; integers in "auto_round", "auto_round:auto_gptq" and "auto_round:auto_awq" are.`,
    { ...place, hint: "Export the model again in one of these, or as GPTQ." },
  );
}

function overridesOf({ extra_config: extra }: Json): AutoRoundOverride[] {
  if (typeof extra !== "object" || extra === null) return [];
  const overrides = Object.entries(extra).flatMap(([name, own]: [string, unknown]): AutoRoundOverride[] => {
    if (typeof own !== "object" || own === null) return [];
    const settings = own as Json;
    return [{ name, isPattern: PATTERN.test(name), isFloat: isFloat(settings), settings }];
  });
  return [
    ...overrides.filter(({ isPattern }) => !isPattern),
    ...overrides.filter(({ isPattern }) => isPattern),
  ];
}

function isFloat({ bits, data_type }: Json): boolean {
  return (typeof bits === "number" && bits >= FLOAT_BITS) || !isInteger(data_type);
}
