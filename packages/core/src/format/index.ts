/**
 * What a format package is made of: the codec contracts, stored parts, checks.
 * @module
 */

export { levelWeight, type StoredCodes } from "../kernels/level-twin.ts";
export { nibbleLevelWeight } from "../kernels/nibble-twin.ts";
export { viewWeight } from "../kernels/weight-twin.ts";
export { namePattern, type PatternBudget, patternBudget } from "../name-pattern.ts";
export type { LevelParameters } from "../view/level-weight.ts";
export type { NibbleParameters, NibbleWeight } from "../view/nibble-weight.ts";
export type { UnpackCodes } from "../view/view-weight.ts";
export {
  type AutoRoundConfig,
  type AutoRoundOverride,
  type AutoRoundPacking,
  autoRoundMethod,
  autoRoundPacking,
  readAutoRound,
} from "./auto-round.ts";
export { float8Weight, SIGNED_BYTE_ZERO, signedByteWeight } from "./byte-codes.ts";
export { checkBlockLengths, checkRowLengths } from "./check-lengths.ts";
export { checkParts, finiteFloats } from "./check-parts.ts";
export {
  type Diagnosis,
  diagnosisLimits,
  relativeRmse,
  type Suspect,
  sampleSuspect,
} from "./diagnosis.ts";
export { findBySuffixes } from "./find-weights.ts";
export { foreignMethods } from "./foreign-methods.ts";
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
  type OpenedWeight,
  type PartBytes,
  partByteLength,
  partBytes,
  type RowWeight,
  readFloats,
  readWords,
  type ScaleEncoding,
  scaleEncoding,
  type ViewPart,
  writeFloat,
  writeWords,
} from "./linear-codec.ts";
export { modelOptMethod } from "./modelopt.ts";
export { isNamedModule } from "./module-names.ts";
export { packedFinding, zeroGroupFindings } from "./packed-finding.ts";
export type { PackedNibbles } from "./packed-nibbles.ts";
export { type ConfigSchema, parseConfig } from "./parse-config.ts";
export type { ClaimedConfig, ConfigFile, FormatMethod, QuantMethod } from "./quant-method.ts";
export {
  type AskedSettings,
  type RuntimeNeeds,
  type RuntimeTable,
  readValues,
  type SettingNeed,
  unmetNeed,
} from "./runtime-needs.ts";
export {
  type Examination,
  type FoundWeight,
  type LinearClaims,
  type LinearReader,
  type MeasuredSettings,
  type ModuleHints,
  type OpenableWeight,
  openableWeight,
  type PackedSource,
  type StoredBlocks,
  type StoredLinear,
  type StoredPart,
  suffixesOf,
  type TensorScale,
  type WeightFormat,
} from "./weight-format.ts";
export {
  type Arrangement,
  type ClaimedPacking,
  type ConfigRequest,
  type FloatPacking,
  type LayoutIssue,
  type LayoutOffer,
  type LayoutSchema,
  type PackedModule,
  type PackGuide,
  type PlainLayout,
  parseLayout,
  type RepeatedRows,
  type ScaleSearchRequest,
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
  shortSpellings,
  spellWords,
  type TargetSettings,
  type WordSpec,
  wordsOf,
} from "./word-spec.ts";
