/** The view of a stored weight that all formats share: codes, scales, zero points. */
export { transposed } from "../numeric/transposed.ts";
export {
  type GridFacts,
  type GridParameters,
  type GroupedParameters,
  gridFacts,
  groupedFacts,
  groupedRanges,
  isBfloat,
  isHalf,
  parametersByRow,
  withMeasuredOffsets,
} from "./facts.ts";
export {
  type CodeRange,
  fitGrid,
  fittedGrid,
  type GridFit,
  type GridRequirement,
  gridMisfit,
  type Misfit,
  roundingAllowed,
} from "./fit.ts";
export {
  checkRows,
  dequantizeGrid,
  type Grid,
  type GroupRun,
  groupRuns,
  groupSizeOf,
  roundToHalf,
  selectRows,
  sequentialGroups,
  stackGrids,
} from "./grid.ts";
export { type QuantizeGridOptions, quantizeGrid } from "./quantize.ts";
