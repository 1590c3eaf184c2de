import { UsageError } from "../errors.ts";
import { groupedView } from "../view/grouped-view.ts";
import { isLevelView, type StoredView } from "../view/level-view.ts";
import type { SolveFactor } from "./factor.ts";
import { type CodeGrid, type SolveRows, type Sweeps, solveRows } from "./rows.ts";

/**
 * New codes for rows of weights on the grid of a view, whose scales and offsets stay and whose codes are not looked at: error
 * feedback, and sweeps where `sweeps` is not 0. A band of rows gives the same codes as all of them.
 * @param values [rows, columns], row-major; not changed
 * @param maxCode the largest code, where the grid has no table of levels
 * @returns codes[rows, columns]
 */
export function feedbackCodes(
  values: Float32Array,
  view: StoredView,
  maxCode: number,
  factor: SolveFactor,
  sweeps: Sweeps["count"] = 0,
  solve: SolveRows = solveRows,
): Uint8Array {
  return solve(values, gridOf(view), maxCode, factor, { count: sweeps }).codes;
}

/** @throws UsageError for a view whose scales are not finite */
export function gridOf(view: StoredView): CodeGrid {
  if (!isLevelView(view)) return { ...view, levels: "integer" };
  const made = groupedView(view);
  if (made.view !== undefined) return made.view;
  throw new UsageError(`Codes cannot be chosen on this grid: ${made.misfit.reason}.`);
}
