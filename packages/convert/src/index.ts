/**
 * Opens models of any format, plans conversions, carries them out, and compares the results.
 * @module
 * @example
 * import { openModel, parseTarget, planConversion, runPlan } from "@requant/convert";
 * import { directoryStore } from "@requant/core/node";
 *
 * const model = await openModel({ store: directoryStore("models/kjv") });
 * const plan = await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "kjv-q8_0" });
 * const report = await runPlan(plan, model, directoryStore("out"));
 * for (const { name, fidelity } of report.tensors) console.log(name, fidelity);
 * await model.close();
 */

export type {
  Examination,
  LinearClaims,
  MeasuredSettings,
  StoredLinear,
  StoredPart,
} from "@requant/core/format";
export type { LeftOut } from "@requant/models";
export { diagnose, diagnoses } from "./compare/diagnoses.ts";
export {
  type FileHash,
  type HashOptions,
  type HashReport,
  hashModel,
  hashSource,
  type TensorHash,
  type ValueHash,
} from "./compare/hash.ts";
export {
  type VerifiedTensor,
  type VerifyOptions,
  type VerifyReport,
  verifyModels,
} from "./compare/verify.ts";
export {
  assignedValue,
  type MetadataAssignment,
  parseMetadataAssignment,
  splitMetadataAssignment,
} from "./edit/assignment.ts";
export {
  type MetadataChange,
  type MetadataDifference,
  type MetadataEdit,
  planMetadataEdit,
} from "./edit/changes.ts";
export {
  type MetadataEntry,
  type MetadataJson,
  type MetadataLine,
  metadataEntries,
  metadataLines,
  metadataText,
} from "./edit/entries.ts";
export { type EditMetadataOptions, editMetadata, refuseUnsoundEdit } from "./edit/metadata.ts";
export { specialTokenId } from "./edit/special-tokens.ts";
export { planMerge, planModelSplit, type SplitModelOptions } from "./edit/split.ts";
export type { MetadataType } from "./edit/value-types.ts";
export {
  type Choice,
  type ChoiceLimits,
  type ChoiceSubject,
  type Choices,
  choiceSubject,
  chooseTargets,
} from "./examine/choose/choose-targets.ts";
export { estimatedContextMemory } from "./examine/choose/estimated-memory.ts";
export {
  type Candidate,
  type Figure,
  type FigureSource,
  type FigureSourceName,
  figureSources,
} from "./examine/choose/figures.ts";
export {
  type ContextMemory,
  cacheTypeNames,
  contextMemory,
  parseTokens,
} from "./examine/context-memory.ts";
export { type DoctorOptions, type DoctorReport, examineModel } from "./examine/doctor/doctor.ts";
export { type Runtime, runtimes } from "./examine/doctor/runtimes.ts";
export {
  type DumpOptions,
  npyHeader,
  type StatisticsOptions,
  type StatisticsPass,
  type TensorStatistics,
  tensorStatistics,
  tensorValues,
  writeNpy,
} from "./examine/dump.ts";
export { distinctFindings, modelFindings, runFindings, verifyFindings } from "./examine/findings.ts";
export {
  type EncodingShare,
  type Fact,
  type Inspection,
  type InspectOptions,
  inspectModel,
} from "./examine/inspect.ts";
export { matchingWeights, type NamedWeight } from "./examine/named-weights.ts";
export { conversionWarnings, outputFindings } from "./examine/output-findings.ts";
export { remedyOf } from "./examine/remedy.ts";
export type { TensorGrid } from "./examine/tensor-grids.ts";
export { weightFormats } from "./formats.ts";
export {
  type CollectReport,
  type CollectStatisticsOptions,
  collectStatistics,
} from "./measure/collect-statistics.ts";
export { decoderSource } from "./measure/decoder-source.ts";
export type { DescribedText } from "./measure/described-statistics.ts";
export {
  type EvaluateModelsOptions,
  evaluateModels,
  type ModelsEvaluation,
} from "./measure/evaluate-models.ts";
export {
  type ImportanceMatrixOptions,
  importanceMatrix,
  type MeasuredImportance,
} from "./measure/importance-matrix.ts";
export { type ModelTokenizer, modelTokenizer } from "./measure/model-tokenizer.ts";
export type { MeasureControl, MeasureProgress } from "./measure/progress.ts";
export { type ScaledModelOptions, scaledModel } from "./measure/scaled-model.ts";
export {
  describeSlices,
  openStatisticsParts,
  type StatisticsFinishReport,
  type StatisticsPartOptions,
  type StatisticsParts,
} from "./measure/slices/open-slices.ts";
export {
  isStatisticsPlan,
  parseAnyPlan,
  type SavedStatisticsPlan,
  type StatisticsPlanContent,
  savedStatisticsPlan,
} from "./measure/slices/saved-statistics-plan.ts";
export { importanceOfStatistics } from "./measure/statistics-importance.ts";
export { expectedStatistics } from "./measure/statistics-plan.ts";
export {
  type WriteImportanceMatrixOptions,
  type WrittenImportance,
  writeImportanceMatrix,
} from "./measure/write-importance-matrix.ts";
export { bitsPerWeight, codecOf } from "./model/encodings.ts";
export { type Found, findModel } from "./model/find.ts";
export type { ContentFindingCode } from "./model/findings/content-kinds.ts";
export type { FileFindingCode } from "./model/findings/file-kinds.ts";
export { type FindingCode, findingKinds, notesOf, warningsOf } from "./model/findings/finding.ts";
export type { FindingKind } from "./model/findings/kind.ts";
export type { PlanFindingCode, RunFindingCode } from "./model/findings/work-kinds.ts";
export type { AppliedFolding, Folded, FoldedTensor, FoldingLocation } from "./model/folding/folded.ts";
export { foldedModel } from "./model/folding/folded-model.ts";
export { foldedStatistics } from "./model/folding/folded-statistics.ts";
export { readFolded, writeFolded } from "./model/folding/folding-file.ts";
export { type FoldingSearch, searchFolding } from "./model/folding/search-folding.ts";
export type { HiddenGrids } from "./model/hidden-grids.ts";
export { knownModelWords } from "./model/known-words.ts";
export type { MeasuredFact } from "./model/measured-fact.ts";
export type { MergedAdapter, ModelOrigin, ModelParts } from "./model/model.ts";
export {
  type GgufFacts,
  type HfFacts,
  type Model,
  type ModelFile,
  type ModelLocation,
  type ModelTensor,
  modelOf,
  type OpenModelOptions,
} from "./model/model.ts";
export type { ModelKind } from "./model/model-kind.ts";
export { openModel } from "./model/open.ts";
export type { SourceQuantization } from "./model/quantization-config.ts";
export type { RowBand } from "./model/row-bands.ts";
export type { SourceFormat } from "./model/source-format.ts";
export { plannedVersions, type SourceVersions, sourceVersions } from "./model/source-versions.ts";
export {
  openStatisticsFile,
  type StatisticsByMatrix,
  type StatisticsFile,
  type StatisticsIndex,
  type StatisticsLocation,
  type StatisticsSize,
} from "./model/statistics-file.ts";
export type { PackedReads, StoredRows, StoredWeight } from "./model/stored-weight.ts";
export type { SourceClaims, Unclaimed } from "./model/unclaimed.ts";
export { type FakeQuantizePlanOptions, planFakeQuantize } from "./plan/fake-quantize.ts";
export {
  type Fidelity,
  fidelities,
  fidelityOf,
  isLossless,
  type RowMapping,
} from "./plan/fidelity.ts";
export type { Format, PlannedOutput, SourceNeeds, TargetFormat } from "./plan/format.ts";
export { makePlan, measuresWeights, planConversion } from "./plan/make-plan.ts";
export { mergedModel } from "./plan/merge-adapter.ts";
export {
  type JsonMetadata,
  type JsonMetadataArray,
  type JsonMetadataValue,
  metadataFromJson,
  metadataToJson,
} from "./plan/metadata-json.ts";
export {
  type Plan,
  type PlanFile,
  type PlannedTarget,
  type PlanSource,
  type PlanSourceTensor,
  type PlanTensor,
  parsePlan,
  planJobs,
  type Target,
} from "./plan/plan.ts";
export type { ModelPart, PlanImatrix, PlanOptions, TargetSize, TensorTypeRule } from "./plan/plan-options.ts";
export { readPlanSource } from "./plan/read-plan-source.ts";
export {
  type PlanReport,
  planReport,
  type ReportNonFinite,
  type ReportNumber,
  type ReportTensor,
} from "./plan/report.ts";
export { wantsScales } from "./plan/scale-findings.ts";
export { plansByTarget } from "./plan/several/join-plans.ts";
export { parseTargets } from "./plan/several/parse-targets.ts";
export { planConversions } from "./plan/several/plan-conversions.ts";
export { reportsByTarget } from "./plan/several/reports.ts";
export type { TypeCosts } from "./plan/sized-types.ts";
export {
  describeTargets,
  listSizedTargets,
  listTargets,
  parseTarget,
  type TargetDescription,
  type TargetWords,
  targetWords,
} from "./plan/target.ts";
export type { GuideNames, PlanLinear, PlanThrough, Way } from "./plan/way.ts";
export type { Comparer, Comparison } from "./run/comparison.ts";
export { comparer } from "./run/comparison-twin.ts";
export {
  existingVersions,
  type OutputStore,
  refuseMixedModels,
  refuseOverlap,
  refuseSourceFiles,
  refuseTaken,
  type SourceFiles,
  sourceFilesAt,
} from "./run/outputs/store.ts";
export { abandonParts, abandonShared, hasOpenUploads } from "./run/parts/abandon-parts.ts";
export { type PartNumber, refusePart } from "./run/parts/part-work.ts";
export {
  type FinishReport,
  openParts,
  type PartOptions,
  type PartReport,
  type PlanParts,
} from "./run/parts/plan-parts.ts";
export { type GuideFile, LONGEST_SAVED_PLAN, type SavedSource } from "./run/parts/saved-document.ts";
export {
  type PlannedUpload,
  parseSavedPlan,
  type SavedPlan,
  type SavedPlanContent,
  savedPlan,
  serializePlan,
} from "./run/parts/saved-plan.ts";
export { runIdentity, runPlan } from "./run/run.ts";
export { defaultBandByteLength, type RunOptions, type RunProgress } from "./run/run-options.ts";
export type { ConversionReport } from "./run/run-report.ts";
export { type SharedBytes, sharedBytes } from "./run/sharing/shared-bytes.ts";
export type {
  WorkerHandle,
  WorkerReply,
  WorkerRequest,
  Workers,
} from "./run/workers/protocol.ts";
export { type WebWorkersOptions, webWorkers } from "./run/workers/web.ts";
