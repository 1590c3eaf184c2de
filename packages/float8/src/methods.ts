/** Methods whose configurations tell how FP8 weights are stored. */
import { autoRoundMethod, type FormatMethod } from "@requant/core/format";

/** DeepSeek, Qwen and transformers (`FineGrainedFP8Config`); vLLM and AutoFP8 use the same name (`Fp8Config`). */
const fp8: FormatMethod = { names: ["fp8"], leavesFloats: true };

/** One scale for each row, as Meta and transformers write it (`FbgemmFp8Config`). */
const fbgemm: FormatMethod = { names: ["fbgemm_fp8"], keys: ["activation_scale_ub"], leavesFloats: true };

/** NVIDIA's ModelOpt, whose own file keeps the settings one level down. It writes other types as well. */
const modelopt: FormatMethod = {
  names: ["modelopt"],
  isSign: (settings) => "quant_algo" in settings,
  files: [{ name: "hf_quant_config.json", tellsMethod: true, section: "quantization" }],
  decidingKeys: [["quant_algo"]],
  leavesFloats: true,
  describes: ({ quant_algo: algorithm }) => typeof algorithm === "string" && algorithm.startsWith("FP8"),
  // of ModelOpt (torch/export/quant_utils.py, `process_layer_quant_config`)
  keys: [
    "config_groups",
    "exclude_modules",
    "group_size",
    "has_zero_point",
    "ignore",
    "kv_cache_quant_algo",
    "kv_cache_scheme",
    "pre_quant_scale",
    "producer",
    "quant_algo",
    "quantized_layers",
  ],
};

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
export const float8Methods: readonly FormatMethod[] = [fp8, fbgemm, modelopt, /* @__PURE__ */ autoRound()];
