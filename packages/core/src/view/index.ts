/** The view of a stored weight that all formats share: codes, scales, zero points. */
export { transposed } from "../numeric/transposed.ts";
export {
  type GroupedParameters,
  groupedFacts,
  groupedRanges,
  isBfloat,
  isHalf,
  parametersByRow,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
  withMeasuredOffsets,
} from "./facts.ts";
export {
  fittedView,
  fitView,
  type IntegerFit,
  isBiased,
  type ViewFit,
} from "./fit.ts";
export { type BiasedView, integerView, MAX_ZERO, type Reformed } from "./grouped-view.ts";
export {
  checkRows,
  dequantizeView,
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
  dequantizeLevels,
  type Factor,
  isLevelView,
  type LevelView,
  levelViewOf,
  type Offset,
  type Span,
  type StoredView,
  selectLevelRows,
} from "./level-view.ts";
export { type QuantizeViewOptions, quantizeView } from "./quantize.ts";
export {
  type CodeRange,
  type Misfit,
  roundingAllowed,
  type ViewRequirement,
  viewMisfit,
} from "./requirement.ts";
