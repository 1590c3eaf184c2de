/** The view of a stored weight that all formats share: codes, scales, zero points. */
export { gridFacts, groupedFacts, groupedRanges } from "../kernels/facts-twin.ts";
export { fitGrid, fittedGrid } from "../kernels/fit-twin.ts";
export { dequantizeGrid } from "../kernels/grid-twin.ts";
export { transposed } from "../numeric/transposed.ts";
export {
  type GridFacts,
  type GridParameters,
  type GroupedParameters,
  isBfloat,
  isHalf,
  parametersByRow,
  withMeasuredOffsets,
} from "./facts.ts";
export {
  type CodeRange,
  type GridFit,
  type GridRequirement,
  gridMisfit,
  type Misfit,
  roundingAllowed,
} from "./fit.ts";
export {
  checkRows,
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
