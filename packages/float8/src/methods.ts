/** Methods whose configurations tell how FP8 weights are stored. */
import { autoRoundMethod, type FormatMethod, modelOptMethod } from "@requant/core/format";

/** DeepSeek, Qwen and transformers (`FineGrainedFP8Config`); vLLM and AutoFP8 use the same name (`Fp8Config`). */
const fp8: FormatMethod = { names: ["fp8"], leavesFloats: true };

/** One scale for each row, as Meta and transformers write it (`FbgemmFp8Config`). */
const fbgemm: FormatMethod = { names: ["fbgemm_fp8"], keys: ["activation_scale_ub"], leavesFloats: true };

/** AutoRound where it stores 8-bit floats with the tensors of the other tools. */
function autoRound(): FormatMethod {
  return {
    ...autoRoundMethod,
    describes: ({ packing_format: packing }) =>
      typeof packing === "string" && packing.startsWith("auto_round:fp8"),
    settings: () => ({}),
    keys: [...(autoRoundMethod.keys ?? []), "bits", "group_size", "sym"],
  };
}

/** The methods of the format, its own first. */
export const float8Methods: readonly FormatMethod[] = [
  fp8,
  fbgemm,
  /* @__PURE__ */ modelOptMethod(/^FP8/),
  /* @__PURE__ */ autoRound(),
];
