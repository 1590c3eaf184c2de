import { type Grid, quantizeGrid } from "@requant/core/view";
import type { AwqLayout } from "./packing.ts";

/**
 * Rows of floats as a grid that `awqCodec.fromGrid` can write into this layout: round to nearest, without AWQ's search for
 * scales (which also changes the previous layer). A calibrated search gives a grid of the same shape, and is written by the
 * same `fromGrid`. Ranges include 0, so that groups of one sign keep their error under half a step; AutoAWQ's own
 * pseudo-quantization, which rounds in f16 and does not, clips those.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeAwq(layout: AwqLayout, values: Float32Array, rows: number): Grid {
  const { groupSize, scale, columns, version } = layout;
  return quantizeGrid(values, rows, columns, { bits: 4, groupSize, symmetric: version === "marlin", scale });
}
