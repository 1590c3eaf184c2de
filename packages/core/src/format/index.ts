/** What a format package is made of: the codec contracts, stored parts, checks. */

export { namePattern, type PatternBudget, patternBudget } from "../name-pattern.ts";
export { type UnpackCodes, viewWeight } from "../view/view-weight.ts";
export { checkBlockLengths, checkRowLengths } from "./check-lengths.ts";
export {
  type Diagnosis,
  diagnosisLimits,
  relativeRmse,
  type Suspect,
  sampleSuspect,
} from "./diagnosis.ts";
export {
  bitsWord,
  describedGroupSize,
  groupCountOf,
  groupSizeByCount,
  groupSizeWord,
  groupWord,
  keepsOwnGroups,
  scaleType,
  symWord,
} from "./group-words.ts";
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
export {
  type Examination,
  type LinearClaims,
  type LinearFindings,
  type LinearReader,
  type ModuleHints,
  type OpenableWeight,
  openableWeight,
  type PackedSource,
  type StoredLinear,
  type StoredPart,
  suffixesOf,
  type WeightFormat,
} from "./weight-format.ts";
export {
  type Arrangement,
  type ClaimedPacking,
  type ConfigRequest,
  type LayoutOffer,
  type LayoutSchema,
  type PackedModule,
  type PlainLayout,
  parseLayout,
  type TargetConfig,
  type WeightEncoder,
  type WeightRequest,
  type WeightSampling,
  type WeightTarget,
} from "./weight-target.ts";
export {
  type ChoiceWords,
  exampleSpellings,
  type NumberWords,
  parseWords,
  readWord,
  searchSettings,
  spellWords,
  type TargetSettings,
  type WordSpec,
  wordsOf,
} from "./word-spec.ts";
