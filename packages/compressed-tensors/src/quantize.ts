import { type Grid, quantizeGrid } from "@requant/core/view";
import type { CompressedTensorsLayout } from "./codec.ts";

/**
 * Rows of floats as a grid that `compressedTensorsCodec.fromGrid` can write into this layout: round to nearest.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeCompressedTensors(
  layout: CompressedTensorsLayout,
  values: Float32Array,
  rows: number,
): Grid {
  const { bits, groupSize, symmetric, scale, columns } = layout;
  return quantizeGrid(values, rows, columns, { bits, groupSize, symmetric, scale });
}
