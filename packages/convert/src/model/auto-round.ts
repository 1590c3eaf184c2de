/**
 * AutoRound's configuration, over tensors of GPTQ or AWQ (auto-round, auto_round/export/export_to_autoround/export.py;
 * vLLM, model_executor/layers/quantization/auto_round.py). `packing_format` decides how zero points are stored.
 */
import { type ErrorPlace, UnsupportedError } from "@requant/core";

type Json = Readonly<Record<string, unknown>>;

/** A module in 16 bits or more is a plain float weight. */
const FLOAT_BITS = 16;
/** Of a configuration that says none, as vLLM assumes. */
const DEFAULT_PACKING = "auto_round:auto_gptq";

/** Characters that make a name of `extra_config` a pattern, which is searched for anywhere (vLLM). */
const PATTERN = /[*+?^$()[\]{}|\\]/;

/** What is read here, and the settings of the search for the codes (auto-round, auto_round/compressors and schemes.py). */
export const autoRoundKeys: readonly string[] = [
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
];

interface Packing {
  readonly format: "gptq" | "awq";
  /** How GPTQ's zero points are stored: "gptq" less one, "gptq_v2" as they are. */
  readonly checkpointFormat?: "gptq" | "gptq_v2";
}

const PACKINGS: readonly (readonly [pattern: RegExp, packing: Packing])[] = [
  [/^auto_round$/, { format: "gptq", checkpointFormat: "gptq_v2" }],
  [/^auto_round:(?:auto_)?gptq/, { format: "gptq", checkpointFormat: "gptq" }],
  [/^auto_round:(?:auto_)?awq/, { format: "awq" }],
];

function packingNameOf(json: Json): string {
  const name = json["packing_format"];
  return typeof name === "string" ? name : DEFAULT_PACKING;
}

function packingOf(json: Json): Packing | undefined {
  const name = packingNameOf(json);
  return PACKINGS.find(([pattern]) => pattern.test(name))?.[1];
}

/** The format that breaks ties between tensors of the same shape. */
export function autoRoundFormat(json: Json): string {
  return packingOf(json)?.format ?? "gptq";
}

/** As GPTQ's own configuration. @throws UnsupportedError for a packing whose zero points are not known */
export function autoRoundGptq(json: Json, place: ErrorPlace): Json {
  const { checkpointFormat } = knownPacking(json, place);
  if (checkpointFormat === undefined) throw unknownPacking(json, place);
  return {
    quant_method: "gptq",
    bits: json["bits"],
    group_size: json["group_size"],
    sym: json["sym"],
    desc_act: false,
    checkpoint_format: checkpointFormat,
    dynamic: Object.fromEntries(overridesOf(json).map(([name, own]) => gptqRule(name, own))),
  };
}

/** As AWQ's own configuration: every module is GEMM. @throws UnsupportedError as {@link autoRoundGptq} */
export function autoRoundAwq(json: Json, place: ErrorPlace): Json {
  knownPacking(json, place);
  return {
    quant_method: "awq",
    bits: json["bits"],
    group_size: json["group_size"],
    zero_point: json["sym"] !== true,
    version: "gemm",
    modules_to_not_convert: overridesOf(json).flatMap(([name, own]) => (isFloat(own) ? [name] : [])),
  };
}

function knownPacking(json: Json, place: ErrorPlace): Packing {
  const type = json["data_type"];
  const packing = packingOf(json);
  if (packing === undefined || (typeof type === "string" && !type.startsWith("int"))) {
    throw unknownPacking(json, place);
  }
  return packing;
}

function unknownPacking(json: Json, place: ErrorPlace): UnsupportedError {
  const type = json["data_type"] === undefined ? "" : ` and data_type ${JSON.stringify(json["data_type"])}`;
  return new UnsupportedError(
    `AutoRound's packing_format ${JSON.stringify(packingNameOf(json))}${type} is not read over these tensors; integers in "auto_round", "auto_round:auto_gptq" and "auto_round:auto_awq" are`,
    { ...place, hint: "Export the model again in one of these, or as GPTQ." },
  );
}

/**
 * What `extra_config` changes for single modules: keys that are missing there keep the value for all. Whole names go
 * before patterns.
 */
function overridesOf(json: Json): [name: string, override: Json][] {
  const extra = json["extra_config"];
  if (typeof extra !== "object" || extra === null) return [];
  const overrides = Object.entries(extra).flatMap(([name, own]: [string, unknown]): [string, Json][] =>
    typeof own === "object" && own !== null ? [[name, own as Json]] : [],
  );
  const isPattern = ([name]: [string, Json]): boolean => PATTERN.test(name);
  return [...overrides.filter((one) => !isPattern(one)), ...overrides.filter(isPattern)];
}

function isFloat({ bits, data_type }: Json): boolean {
  return (
    (typeof bits === "number" && bits >= FLOAT_BITS) ||
    (typeof data_type === "string" && !data_type.startsWith("int"))
  );
}

function gptqRule(name: string, own: Json): [rule: string, override: Json] {
  // GPTQ's patterns begin at the start of a name
  const pattern = PATTERN.test(name) ? `.*(?:${name})` : `${name.replaceAll(".", "\\.")}$`;
  if (isFloat(own)) return [`-:${pattern}`, {}];
  return [pattern, { bits: own["bits"], group_size: own["group_size"], sym: own["sym"] }];
}
