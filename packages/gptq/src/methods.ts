/** Methods whose configurations tell how GPTQ's tensors are stored: its own, and AutoRound's. */
import type { ErrorPlace } from "@requant/core";
import {
  type AutoRoundOverride,
  type AutoRoundPacking,
  autoRoundMethod,
  autoRoundPacking,
  type FormatMethod,
  readAutoRound,
} from "@requant/core/format";
import type { GptqCheckpointFormat } from "./config.ts";

type Json = Readonly<Record<string, unknown>>;

/** GPTQ as AutoGPTQ and GPTQModel write it; their old files name no method. */
const gptqMethod: FormatMethod = {
  names: ["gptq", "marlin"],
  files: [{ name: "quantize_config.json", tellsMethod: true }],
  decidingKeys: [
    ["bits"],
    ["group_size"],
    ["sym"],
    ["desc_act"],
    ["checkpoint_format", "format"],
    ["pack_dtype"],
  ],
  toolFiles: ["quant_log.csv"],
  leavesFloats: true,
};

/** How zero points are stored: "gptq" minus one, "gptq_v2" unchanged. */
const CHECKPOINT_FORMATS: Readonly<Partial<Record<AutoRoundPacking, GptqCheckpointFormat>>> = {
  auto_round: "gptq_v2",
  auto_gptq: "gptq",
};

/** AutoRound with tensors of GPTQ, also where it names an unknown packing. */
const autoRound: FormatMethod = {
  ...autoRoundMethod,
  describes: (settings) => autoRoundPacking(settings) !== "auto_awq",
  settings: fromAutoRound,
};

/** The methods of the format, its own first. */
export const gptqMethods: readonly FormatMethod[] = [gptqMethod, autoRound];

function fromAutoRound(settings: Json, place: ErrorPlace): Json {
  const { packing, overrides } = readAutoRound(settings, ["auto_round", "auto_gptq"], place);
  return {
    quant_method: "gptq",
    bits: settings["bits"],
    group_size: settings["group_size"],
    sym: settings["sym"],
    desc_act: false,
    checkpoint_format: CHECKPOINT_FORMATS[packing],
    dynamic: Object.fromEntries(overrides.map(dynamicRule)),
  };
}

/** The override as an entry of `dynamic`, whose patterns match from the start of a name. */
function dynamicRule({ name, isPattern, isFloat, settings }: AutoRoundOverride): [rule: string, own: Json] {
  const pattern = isPattern ? `.*(?:${name})` : `${name.replaceAll(".", "\\.")}$`;
  if (isFloat) return [`-:${pattern}`, {}];
  return [pattern, { bits: settings["bits"], group_size: settings["group_size"], sym: settings["sym"] }];
}
