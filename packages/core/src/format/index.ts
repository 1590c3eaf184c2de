/** What a format package is made of: the codec contracts, stored parts, checks. */

export { misfitOf, type SchemaIssue } from "../misfit.ts";
export { namePattern, type PatternBudget, patternBudget } from "../name-pattern.ts";
export { type UnpackCodes, viewWeight } from "../view/view-weight.ts";
export { checkBlockLengths, checkRowLengths } from "./check-lengths.ts";
export {
  allocateParts,
  findPart,
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
  type ViewPart,
  writeFloat,
  writeWords,
} from "./linear-codec.ts";
export type { PackedNibbles } from "./packed-nibbles.ts";
