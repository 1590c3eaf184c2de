import { type IntegerView, quantizeView } from "@requant/core/view";
import type { GptqLayout } from "./codec.ts";
import { zeroRange } from "./zeros.ts";

/** GPTQ's exponent for `mse` searches. */
const MSE_EXPONENT = 2.4;

/**
 * Rows of floats as a view that `gptqCodec.fromView` can write into this layout: round to nearest, with the ranges and zero
 * points of GPTQ's own quantizer. `search`: also try clipped ranges, as `mse` does there. A calibrated solver gives a view
 * of the same shape, and is written by the same `fromView`.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeGptq(
  layout: GptqLayout,
  values: Float32Array,
  rows: number,
  options: { readonly search?: boolean } = {},
): IntegerView {
  const { bits, groupSize, sym, scale, columns, zeros } = layout;
  return quantizeView(values, rows, columns, {
    bits,
    groupSize,
    symmetric: sym,
    scale,
    searchExponent: options.search === true ? MSE_EXPONENT : undefined,
    minZero: zeroRange(zeros, bits).min,
  });
}
