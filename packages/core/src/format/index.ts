/** What a format package is made of: the codec contracts, stored parts, checks. */

export { misfitOf, type SchemaIssue } from "../misfit.ts";
export { namePattern, type PatternBudget, patternBudget } from "../name-pattern.ts";
export { gridWeight, type UnpackCodes } from "../view/grid-weight.ts";
export { checkBlockLengths, checkRowLengths } from "./check-lengths.ts";
export {
  allocateParts,
  findPart,
  type GridPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type LinearPart,
  type LinearWeight,
  type PartBytes,
  partByteLength,
  partBytes,
  readFloats,
  readWords,
  type ScaleEncoding,
  scaleEncoding,
  writeFloat,
  writeWords,
} from "./linear-codec.ts";
export type { PackedNibbles } from "./packed-nibbles.ts";
