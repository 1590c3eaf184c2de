import { type IntegerView, quantizeView } from "@requant/core/view";
import type { AwqLayout } from "./packing.ts";

/**
 * Rows of floats as a view that `awqCodec.fromView` can write into this layout: round to nearest, without AWQ's search
 * for scales (which also changes the previous layer). With `importance`, each group's scale is searched for. A calibrated search gives a view of the same shape, and is written
 * by the same `fromView`. Ranges include 0, so that groups of one sign keep their error under half a step; AutoAWQ's own
 * pseudo-quantization rounds in f16 and does not include 0, so it clips such groups.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeAwq(
  layout: AwqLayout,
  values: Float32Array,
  rows: number,
  importance?: Float32Array,
): IntegerView {
  const { groupSize, scale, columns, version } = layout;
  const grid = { bits: 4, groupSize, symmetric: version === "marlin", scale };
  return quantizeView(values, rows, columns, { ...grid, search: importance !== undefined, importance });
}
