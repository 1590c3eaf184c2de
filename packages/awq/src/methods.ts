/** Methods whose configurations tell how AWQ's tensors are stored: its own, GPTQ's and AutoRound's. */
import type { ErrorPlace } from "@requant/core";
import { autoRoundMethod, autoRoundPacking, type FormatMethod, readAutoRound } from "@requant/core/format";

type Json = Readonly<Record<string, unknown>>;

/** AWQ as AutoAWQ and llm-awq write it; their old files name no method. */
const awqMethod: FormatMethod = {
  names: ["awq"],
  files: [{ name: "quant_config.json", tellsMethod: true }],
  decidingKeys: [
    ["bits", "w_bit"],
    ["group_size", "q_group_size"],
    ["sym"],
    ["zero_point"],
    ["checkpoint_format", "format"],
  ],
  leavesFloats: true,
};

/**
 * A configuration of GPTQ with tensors of AWQ: AWQ stores zero points in one way only, so bits and group size are enough.
 */
const gptq: FormatMethod = {
  names: ["gptq"],
  describes: () => false,
  settings: ({ bits, group_size, sym }) => ({
    quant_method: "awq",
    bits,
    group_size,
    ...(typeof sym === "boolean" ? { zero_point: !sym } : {}),
  }),
};

/** AutoRound with tensors of AWQ. */
function autoRound(): FormatMethod {
  return {
    ...autoRoundMethod,
    describes: (settings) => autoRoundPacking(settings) === "auto_awq",
    settings: fromAutoRound,
  };
}

/** The methods of the format, its own first. */
export const awqMethods: readonly FormatMethod[] = [awqMethod, gptq, /* @__PURE__ */ autoRound()];

/** Every module is GEMM, whatever packing is named. */
function fromAutoRound(settings: Json, place: ErrorPlace): Json {
  const { overrides } = readAutoRound(settings, ["auto_round", "auto_gptq", "auto_awq"], place);
  return {
    quant_method: "awq",
    bits: settings["bits"],
    group_size: settings["group_size"],
    zero_point: settings["sym"] !== true,
    version: "gemm",
    modules_to_not_convert: overrides.flatMap(({ name, isFloat }) => (isFloat ? [name] : [])),
  };
}
