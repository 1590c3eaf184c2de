/**
 * Codes from calibration statistics: what the solvers of all formats share.
 * @module
 */
export { actOrderFactor, solveFactor } from "../kernels/factor-twin.ts";
export { outputError, squaredOutput } from "../kernels/quadratic-twin.ts";
export { feedbackCodes, solveRows } from "../kernels/rows-twin.ts";
export { solvePacking, solveView } from "../kernels/solve-twin.ts";
export type { GroupedView } from "../view/grouped-view.ts";
export { allocateSizes, sizeRange } from "./allocate.ts";
export type { Allocation, SizedChoice } from "./allocation.ts";
export type { ColumnOrder, FactorOptions, SolveFactor } from "./factor.ts";
export type { ChangedInputs, SquaredOutput } from "./quadratic-form.ts";
export { type EmbeddingReader, readerStatistics } from "./readers.ts";
export type { CodeGrid, ScaleType, SolvedRows, SolveRows, Sweeps } from "./rows.ts";
export { dividedInputs, type MeasuredLayer } from "./scaled-statistics.ts";
export {
  EMBEDDING_SENSITIVITY,
  HEAD_SENSITIVITY_PER_LAYER,
  streamSensitivities,
} from "./sensitivity.ts";
export {
  type Grouping,
  largestCode,
  type SolveGuide,
  type SolveViewOptions,
  USUAL_SWEEPS,
} from "./solve-view.ts";
export { checkStatistics, columnImportance, type InputStatistics } from "./statistics.ts";
