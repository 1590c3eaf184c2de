/** Codes from calibration statistics: what the solvers of all formats share. */
export { allocateSizes, sizeRange } from "./allocate.ts";
export type { Allocation, SizedChoice } from "./allocation.ts";
export { type ColumnOrder, type FactorOptions, type SolveFactor, solveFactor } from "./factor.ts";
export { feedbackCodes } from "./feedback.ts";
export {
  EMBEDDING_SENSITIVITY,
  HEAD_SENSITIVITY_PER_LAYER,
  streamSensitivities,
} from "./sensitivity.ts";
export { checkStatistics, columnImportance, type InputStatistics, outputError } from "./statistics.ts";
