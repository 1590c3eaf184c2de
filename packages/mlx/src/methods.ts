/** How configurations of MLX are recognised. */
import type { FormatMethod } from "@requant/core/format";

/**
 * MLX names no method: it writes the same settings under `quantization` and `quantization_config`, some versions under the
 * first alone (mlx-lm, utils.py, `quantize_model`).
 */
export const mlxMethod: FormatMethod = {
  names: ["mlx"],
  sections: ["quantization"],
  isSign: (settings, model) => areSettings(settings) && areSettings(model["quantization"]),
  decidingKeys: [["bits"], ["group_size"], ["mode"]],
  leavesFloats: true,
};

function areSettings(value: unknown): boolean {
  return typeof value === "object" && value !== null && "bits" in value && "group_size" in value;
}
