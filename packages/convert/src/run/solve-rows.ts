/** Rows of floats as a view that an encoder writes: rounded, or solved with calibration statistics. */
import { rowCount, rowLength } from "@requant/core";
import type { FloatPacking, WeightEncoder } from "@requant/core/format";
import { solvePacking } from "@requant/core/solve";
import { dequantizeLevels, dequantizeView, isLevelView, type StoredView } from "@requant/core/view";
import type { RowBand } from "../model/row-bands.ts";
import type { MatrixGuide } from "./guides.ts";
import { gatherRows, measuredRows, type OutputErrorSums, outputErrors } from "./output-error.ts";

type ViewPacking = FloatPacking & { readonly kind: "view" };

/** The encoder's own grid; with solved codes and scales where the guide has statistics. */
export function guidedView(
  floats: ViewPacking,
  encoder: Pick<WeightEncoder, "requirement">,
  values: Float32Array,
  rows: number,
  { importance, solve }: MatrixGuide,
): StoredView {
  if (solve === undefined) return floats.quantize(values, rows, { importance });
  const { requirement } = encoder;
  return solvePacking({ floats, requirement }, values, rows, { factor: solve.factor, importance });
}

/** The f32 values of a view, in `out` if it is given. */
export function valuesOf(
  view: StoredView,
  out: Float32Array = new Float32Array(view.rows * view.columns),
): Float32Array {
  if (isLevelView(view)) dequantizeLevels(view, out);
  else dequantizeView(view, out);
  return out;
}

/** Some rows of a weight: as they were, and as they are solved. */
export interface SolvedRows {
  readonly values: Float32Array;
  readonly solved: Float32Array;
  readonly band: RowBand;
  /** Of the weight. */
  readonly shape: readonly number[];
}

/** What solving changed in the output of the layer, and what `round` would; of a matrix that is not solved, nothing. */
export function solvedErrors(
  { values, solved, band: { start, end }, shape }: SolvedRows,
  { solve }: MatrixGuide,
  round: (values: Float32Array, rows: number) => Float32Array,
): OutputErrorSums | undefined {
  if (solve === undefined) return undefined;
  const columns = rowLength(shape);
  const rows = measuredRows(start, end, rowCount(shape));
  const measured = gatherRows(values, rows, columns);
  const rounded = rows.length === 0 ? measured : round(measured, rows.length);
  return outputErrors(solve.statistics, measured, gatherRows(solved, rows, columns), rounded);
}
