import { UnsupportedError } from "@requant/core";
import type { PlanSource } from "./plan.ts";

/** Endings of tensors that hold packed weights or their scales, of formats that are not read. */
const PACKED =
  /\.(qweight|qzeros|q_weight|q_scale|weight_packed|weight_scale|weight_scale_inv|absmax|nested_absmax|quant_map|quant_state\.\w+|trellis|W_q)$/;

/**
 * Refuses a checkpoint of packed weights that no linear format has taken: its integers are no weights, and a scale in
 * another type would be another model.
 * @throws UnsupportedError naming the method
 */
export function refusePacked(source: PlanSource): void {
  if (source.naming !== "hf") return;
  const packed = source.tensors.find(({ name }) => PACKED.test(name));
  if (packed === undefined) return;
  const config = source.hf?.config["quantization_config"];
  const method =
    typeof config === "object" && config !== null && "quant_method" in config
      ? String(config["quant_method"])
      : "an unknown method";
  throw new UnsupportedError(`the weights are packed by ${method}, which is not read`, {
    path: source.name,
    tensor: packed.name,
    hint: "Start from the float model.",
  });
}

/** Ending of the codes of experts that are stored as MXFP4 beside float layers (gpt-oss). */
const MXFP4_CODES = /_blocks$/;

/**
 * Refuses to pack the float layers of a checkpoint whose experts are packed already: a config.json has one
 * `quantization_config`, so nothing would read both.
 * @throws UnsupportedError
 */
export function refuseHalfPacked(source: PlanSource, format: string): void {
  const packed = source.tensors.find(({ name, encoding }) => encoding === "U8" && MXFP4_CODES.test(name));
  if (packed === undefined) return;
  throw new UnsupportedError(
    `the experts are packed as MXFP4, and a model is not read as that and ${format}`,
    {
      path: source.name,
      tensor: packed.name,
      hint: "Convert it to gguf:auto, and that to safetensors:bf16: there the experts are floats.",
    },
  );
}
