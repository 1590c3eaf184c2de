/** Methods of quantization whose weights no format reads yet, with the meaning of their configurations. */
import type { QuantMethod } from "./quant-method.ts";

/** NVIDIA's ModelOpt. Its own file keeps the settings one level down. */
const modelopt: QuantMethod = {
  names: ["modelopt"],
  isSign: (settings) => "quant_algo" in settings,
  files: [{ name: "hf_quant_config.json", tellsMethod: true, section: "quantization" }],
  decidingKeys: [["quant_algo"]],
  leavesFloats: true,
};

/**
 * MLX names no method: it writes the same settings under `quantization` and `quantization_config`, some versions under the
 * first alone (mlx-lm, utils.py).
 */
const mlx: QuantMethod = {
  names: ["mlx"],
  sections: ["quantization"],
  isSign: (settings, model) => areSettingsOfMlx(settings) && areSettingsOfMlx(model["quantization"]),
  leavesFloats: true,
};

function areSettingsOfMlx(value: unknown): boolean {
  return typeof value === "object" && value !== null && "bits" in value && "group_size" in value;
}

/** Methods of which only one thing is known: they never store a packed weight as plain floats. */
const PACKED_ONLY: readonly string[] = [
  "exl3",
  "fp8",
  "fbgemm_fp8",
  "mxfp4",
  "aqlm",
  "vptq",
  "spqr",
  "higgs",
];

/**
 * All methods without a format. A package that reads the weights of a method moves the method's entry into itself.
 * A method without `leavesFloats` (BitNet, for one) may compute with other values than the plain floats that it stores.
 */
export const foreignMethods: readonly QuantMethod[] = [
  modelopt,
  mlx,
  ...PACKED_ONLY.map((name): QuantMethod => ({ names: [name], leavesFloats: true })),
];
