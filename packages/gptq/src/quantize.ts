import { type IntegerView, quantizeView } from "@requant/core/view";
import type { GptqLayout } from "./codec.ts";
import { zeroRange } from "./zeros.ts";

/**
 * Rows of floats as a view that `gptqCodec.fromView` can write into this layout: round to nearest, with the ranges and zero
 * points of GPTQ's own quantizer. `search`: also try other scales and zero points, as `mse` does there; `importance` weighs
 * the errors. A calibrated solver gives a view of the same shape, and is written by the same `fromView`.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeGptq(
  layout: GptqLayout,
  values: Float32Array,
  rows: number,
  options: { readonly search?: boolean; readonly importance?: Float32Array | undefined } = {},
): IntegerView {
  const { bits, groupSize, sym, scale, columns, zeros } = layout;
  const { importance, search = importance !== undefined } = options;
  const minZero = zeroRange(zeros, bits).min;
  const grid = { bits, groupSize, symmetric: sym, scale, minZero };
  return quantizeView(values, rows, columns, { ...grid, search, importance });
}
