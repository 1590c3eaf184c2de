import { type IntegerView, quantizeView } from "@requant/core/view";
import type { CompressedTensorsLayout } from "./packed-int.ts";

/**
 * Rows of floats as a view that `compressedTensorsCodec.fromView` can write into this layout: round to nearest.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeCompressedTensors(
  layout: CompressedTensorsLayout,
  values: Float32Array,
  rows: number,
): IntegerView {
  const { bits, groupSize, symmetric, scale, columns } = layout;
  return quantizeView(values, rows, columns, { bits, groupSize, symmetric, scale });
}
