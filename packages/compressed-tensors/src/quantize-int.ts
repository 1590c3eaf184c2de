import { type IntegerView, quantizeView } from "@requant/core/view";
import type { CompressedTensorsLayout } from "./packed-int.ts";

/**
 * Rows of floats as a view that `compressedTensorsCodec.fromView` can write into this layout: round to nearest, or with
 * the scales that a search weighed by `importance` finds.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeCompressedTensors(
  layout: CompressedTensorsLayout,
  values: Float32Array,
  rows: number,
  importance?: Float32Array,
): IntegerView {
  const { bits, groupSize, symmetric, scale, columns } = layout;
  const grid = { bits, groupSize, symmetric, scale };
  return quantizeView(values, rows, columns, { ...grid, search: importance !== undefined, importance });
}
