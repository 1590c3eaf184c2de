/**
 * The view of a stored weight that all formats share: codes, scales, zero points.
 * @module
 */
export { e2m1Facts, float8Facts, groupedFacts, groupedRanges, viewFacts } from "../kernels/facts-twin.ts";
export { fittedView, fitView } from "../kernels/fit-twin.ts";
export { dequantizeView } from "../kernels/grid-twin.ts";
export { GridSearch, gridView } from "../kernels/hidden-twin.ts";
export { quantizeView } from "../kernels/quantize-twin.ts";
export { transposed } from "../numeric/transposed.ts";
export {
  type GroupedParameters,
  isBfloat,
  isHalf,
  type ParameterFacts,
  parametersByRow,
  type ScaleNumbers,
  type ViewFacts,
  type ViewParameters,
  withMeasuredOffsets,
} from "./facts.ts";
export { type FoundGrid, PROBE_ROWS } from "./find-hidden-grid.ts";
export {
  fittedTable,
  type IntegerFit,
  isBiased,
  isTabled,
  type ViewFit,
} from "./fit.ts";
export { scalesOfBlocks, type TableView } from "./fit-table.ts";
export { type BiasedView, integerView, MAX_ZERO, type Reformed } from "./grouped-view.ts";
export { describeGrid, type GridWords, gridWords, type HiddenGrid, type HidingType } from "./hidden-grid.ts";
export {
  checkRows,
  checkValueCount,
  type GroupRun,
  groupRuns,
  groupSizeOf,
  type IntegerView,
  roundToHalf,
  selectRows,
  sequentialGroups,
  stackViews,
} from "./integer-view.ts";
export {
  checkLevelView,
  commonGroups,
  dequantizeLevels,
  type Factor,
  isLevelView,
  type LevelView,
  levelViewOf,
  type Offset,
  type Span,
  type StoredView,
  selectLevelRows,
  spanIndex,
} from "./level-view.ts";
export type { QuantizeViewOptions } from "./quantize.ts";
export {
  type CodeRange,
  type LevelTable,
  type Misfit,
  roundingAllowed,
  takesOnlyIntegers,
  type ViewRequirement,
  viewMisfit,
} from "./requirement.ts";
export type { LevelFacts, Scales } from "./table-facts.ts";
export { E5M2_MISFIT } from "./table-facts.ts";
export { dividesAs, divisorOf, splitTensorScale } from "./tensor-scale.ts";
