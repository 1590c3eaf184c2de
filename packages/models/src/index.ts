/**
 * Model families: which tensor, setting and token has which name on the other side.
 * @module
 * @example
 * import { type HfTensor, hfToGguf, readHfFiles } from "@requant/models";
 *
 * function planOf(config: Uint8Array, tokenizer: Uint8Array, tensors: HfTensor[]): string[] {
 *   const sideFiles = new Map([
 *     ["config.json", config],
 *     ["tokenizer.json", tokenizer],
 *   ]);
 *   const files = readHfFiles("Llama-3.1-8B", sideFiles, tensors);
 *   return hfToGguf(files, { fileType: "Q8_0" }).tensors.map(({ name }) => name); // token_embd.weight …
 * }
 */

export type {
  Architecture,
  ConfigDraft,
  ExtraTensor,
  FamilyHints,
  LeftOutRule,
  NamedValues,
  ParameterContext,
  ParameterRule,
  PlannedTensor,
  TensorContext,
  TensorRule,
} from "./architectures/architecture.ts";
export type { DecoderDescription, DecoderWindows, LayerPart } from "./architectures/decoder.ts";
export {
  architectureOfConfig,
  architectureOfGguf,
  architectures,
  decoderNamed,
  decoderNames,
  isMetadataTensor,
} from "./architectures/index.ts";
export { staysF32 } from "./architectures/tensors.ts";
export {
  type BrokenConfigOptions,
  incompleteFindings,
  refuseBrokenConfig,
  uncountedLayerFindings,
} from "./broken-config.ts";
export { composeInputs } from "./compose-plans.ts";
export { Config, type ConfigClass, resolveConfig } from "./config.ts";
export { fileTypeNumbers } from "./file-types.ts";
export { foldedFactors, sourceFactors, type WeightFactors } from "./folding/factors.ts";
export { foldableFamilies } from "./folding/families.ts";
export {
  type DividedNumbers,
  type Folding,
  type Foldings,
  foldingsOf,
  type NamedShape,
} from "./folding/foldings.ts";
export { ggufFindings } from "./gguf-findings.ts";
export {
  configTensors,
  type GgufContent,
  type GgufToHfOptions,
  ggufToHf,
  type HfPlan,
} from "./gguf-to-hf.ts";
export { type HfFiles, type HfTensor, hfSideFiles, readHfFiles } from "./hf-files.ts";
export { type GgufModelPlan, type HfToGgufOptions, hfToGguf } from "./hf-to-gguf.ts";
export { integerBuffer } from "./integer-buffers.ts";
export type { JsonObject, JsonValue } from "./json.ts";
export { type LikeOptions, likeMetadata, likeReference, type ReferenceGguf } from "./like-reference.ts";
export { familyShapeFindings, isLlamaCppFamily, llamaCppFindings } from "./llama-cpp/findings.ts";
export {
  knownArchitectures,
  knownPreTokenizers,
  knownRopeScalings,
  knownTokenizers,
} from "./llama-cpp/known-names.ts";
export type { Sizes } from "./llama-cpp/sizes.ts";
export { hasTensorScale, readsTensorScales } from "./llama-cpp/tensor-scales.ts";
export { type LlamafyPlan, llamafy } from "./llamafy/llamafy.ts";
export {
  adapterAsGguf,
  adapterAsHf,
  type GgufAdapterPlan,
  loraToGguf,
  loraToPeft,
  type PeftAdapterPlan,
  readGgufAdapter,
} from "./lora/adapter.ts";
export { adapterConfigFile, readPeftAdapter } from "./lora/peft.ts";
export type { LoraAdapter, LoraFactor, LoraUpdate, WholeTensor } from "./lora/updates.ts";
export { configMetadata } from "./memory/config-metadata.ts";
export {
  type CacheType,
  type ContextBuffers,
  contextBuffers,
  type MemoryLayers,
  type MemoryRequest,
} from "./memory/estimate.ts";
export type { LayerMemory, MemoryRules, StateLayers, WindowRules } from "./memory/rules.ts";
export { expertNames } from "./mlx-rules.ts";
export type { LeftOut, NamedTensor } from "./plan-tensors.ts";
export {
  type ProjectorPlan,
  type ProjectorTensor,
  projectorToGguf,
  projectorToHf,
} from "./projectors/convert.ts";
export { findProjector, projectors } from "./projectors/index.ts";
export type {
  ComputedTensor,
  Encoder,
  Projector,
  ProjectorParameter,
  ProjectorSettings,
} from "./projectors/projector.ts";
export {
  isEmbeddingOrHead,
  isHead,
  isOtherSense,
  isTokenEmbedding,
  type TensorRole,
  tensorRole,
} from "./roles/tensor-role.ts";
export { invertRowOrder, orderedRowCount, type RowOrder, sourceRowOf } from "./row-order.ts";
export type { TokenizerContext, TokenizerExtra, TokenizerKind, TokenizerRules } from "./tokenizer/rules.ts";
export {
  type ElementMap,
  isRowSelection,
  type JoinedInput,
  type NamedMap,
  type PositionsInput,
  plannedSources,
  rowOrderSchema,
  type StoredInput,
  type ValuesInput,
  type WeightInput,
  type WeightPlan,
  weightInputSchema,
  weightPlanSchema,
  type ZerosInput,
} from "./weight-plan.ts";
export {
  isHeldWhole,
  openWeight,
  type RowOrigin,
  rowOrigins,
  type WeightReader,
  type WeightSource,
} from "./weight-rows.ts";
