/** Methods of quantization whose weights no format reads yet, with the meaning of their configurations. */
import type { QuantMethod } from "./quant-method.ts";

type Json = Readonly<Record<string, unknown>>;

/** bitsandbytes quantizes when a model is loaded, or stores what it quantized then. */
const bitsandbytes: QuantMethod = {
  names: ["bitsandbytes"],
  isSign: isLoadedInFewBits,
  quantizesAtLoading: isLoadedInFewBits,
  leavesFloats: true,
};

function isLoadedInFewBits(settings: Json): boolean {
  return settings["load_in_4bit"] === true || settings["load_in_8bit"] === true;
}

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
  "hqq",
  "quanto",
  "eetq",
  "torchao",
  "aqlm",
  "vptq",
  "spqr",
  "higgs",
];

/**
 * All methods without a format. A package that reads the weights of a method moves the method's entry into itself.
 * Methods that are missing here (BitNet, for one) may compute with other values than the plain floats that they store.
 */
export const foreignMethods: readonly QuantMethod[] = [
  bitsandbytes,
  mlx,
  ...PACKED_ONLY.map((name): QuantMethod => ({ names: [name], leavesFloats: true })),
];
