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
  type CodeRange,
  fittedView,
  fitView,
  type Misfit,
  roundingAllowed,
  type ViewFit,
  type ViewRequirement,
  viewMisfit,
} from "./fit.ts";
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
export { type QuantizeViewOptions, quantizeView } from "./quantize.ts";
