/** Codes from calibration statistics: what the solvers of all formats share. */
export { type ColumnOrder, type FactorOptions, type SolveFactor, solveFactor } from "./factor.ts";
export { feedbackCodes } from "./feedback.ts";
export { squaredOutput } from "./quadratic-form.ts";
export { dividedInputs, type MeasuredLayer } from "./scaled-statistics.ts";
export { checkStatistics, columnImportance, type InputStatistics, outputError } from "./statistics.ts";
