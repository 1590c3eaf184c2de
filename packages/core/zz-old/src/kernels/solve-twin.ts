/** `solveView` and `solvePacking` with kernels. */
import type { FloatPacking, WeightEncoder } from "../format/weight-target.ts";
import * as reference from "../solve/solve-view.ts";
import type { IntegerView } from "../view/integer-view.ts";
import type { StoredView } from "../view/level-view.ts";
import { quantizeView } from "./quantize-twin.ts";
import { solveRows } from "./rows-twin.ts";

const tools: reference.SolveTools = { quantize: quantizeView, solve: solveRows };

/**
 * Rows of weights as a view whose codes make up for each other's errors in the layer's output: a grid from the weighted
 * search, codes by error feedback, then sweeps over codes and scales.
 */
export function solveView(
  values: Float32Array,
  rows: number,
  columns: number,
  options: reference.SolveViewOptions,
  guide: reference.SolveGuide,
): IntegerView {
  return reference.solveView(values, rows, columns, options, guide, tools);
}

/**
 * What a run calls for a weight of floats that has statistics: the encoder's own grid, weighed by `importance`, with
 * solved codes and, where the layout stores a scale for each group, solved scales. The result goes to `fromView`.
 * @throws UsageError for an encoder that is not solvable (`largestCode`)
 */
export function solvePacking(
  encoder: Pick<WeightEncoder, "requirement"> & { readonly floats: FloatPacking & { readonly kind: "view" } },
  values: Float32Array,
  rows: number,
  guide: reference.SolveGuide,
): StoredView {
  return reference.solvePacking(encoder, values, rows, guide, tools);
}
