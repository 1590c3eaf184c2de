/** ModelOpt's configuration, over tensors of several formats: `quant_algo` decides which (NVIDIA Model Optimizer, export/). */
import type { FormatMethod } from "./quant-method.ts";

type Json = Readonly<Record<string, unknown>>;

/**
 * ModelOpt, for the format whose algorithms have such names: of the whole model, or of a module of a mixed one.
 * @example
 * import { type FormatMethod, modelOptMethod } from "@requant/core/format";
 *
 * const method: FormatMethod = modelOptMethod(/^FP8/);
 * method.describes?.({ quant_algo: "FP8_PB_WO" }); // true
 */
export function modelOptMethod(algorithms: RegExp): FormatMethod {
  const isOwn = (settings: unknown): boolean => {
    const algorithm = objectOf(settings)?.["quant_algo"];
    return typeof algorithm === "string" && algorithms.test(algorithm);
  };
  return {
    names: ["modelopt"],
    isSign: (settings) => "quant_algo" in settings,
    files: [{ name: "hf_quant_config.json", tellsMethod: true, section: "quantization" }],
    decidingKeys: [["quant_algo"]],
    leavesFloats: true,
    describes: (settings) =>
      isOwn(settings) || Object.values(objectOf(settings["quantized_layers"]) ?? {}).some(isOwn),
    // of torch/export/quant_utils.py (`process_layer_quant_config`) and export/convert_hf_config.py; kv_cache_* say how a
    // runtime keeps its cache
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
}

function objectOf(value: unknown): Json | undefined {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}
