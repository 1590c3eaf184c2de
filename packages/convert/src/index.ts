/** Opens models of any format, plans conversions, carries them out, and compares the results. */
export { type Comparer, type Comparison, comparer } from "./comparison.ts";
export { type Diagnosis, diagnose, diagnoses, type Suspect } from "./diagnoses.ts";
export { type DoctorOptions, type DoctorReport, examineModel } from "./doctor/doctor.ts";
export {
  type Finding,
  type FindingCode,
  type FindingPlace,
  findingKinds,
  type Severity,
} from "./doctor/finding.ts";
export {
  type DumpOptions,
  npyHeader,
  type RowRange,
  type StatisticsOptions,
  type TensorStatistics,
  tensorStatistics,
  tensorValues,
  writeNpy,
} from "./dump.ts";
export { bitsPerWeight, codecOf } from "./encodings.ts";
export { type FakeQuantizeOptions, planFakeQuantize } from "./fake-quantize.ts";
export {
  type Fidelity,
  fidelities,
  fidelityOf,
  isLossless,
  type RowMapping,
} from "./fidelity.ts";
export { type Found, findModel } from "./find.ts";
export type { Format, PlannedOutput, SourceFormat, SourceNeeds, TargetFormat } from "./format.ts";
export { formats } from "./formats.ts";
export {
  type FileHash,
  type HashOptions,
  type HashReport,
  hashModel,
  type TensorHash,
  type ValueHash,
} from "./hash.ts";
export {
  type EncodingShare,
  type Fact,
  type Inspection,
  inspectModel,
} from "./inspect.ts";
export type {
  Examination,
  LinearClaims,
  LinearFindings,
  StoredLinear,
  StoredPart,
} from "./linear/linear-weight.ts";
export { makePlan, planConversion, readPlanSource } from "./make-plan.ts";
export type { MeasuredFact } from "./measured-fact.ts";
export {
  editMetadata,
  type MetadataChange,
  type MetadataLine,
  metadataLines,
  parseMetadataAssignment,
} from "./metadata-edit.ts";
export { type JsonMetadata, metadataFromJson, metadataToJson } from "./metadata-json.ts";
export {
  type GgufFacts,
  type HfFacts,
  type Model,
  type ModelFile,
  type ModelLocation,
  type ModelTensor,
  type ModelWarning,
  modelOf,
  type OpenModelOptions,
} from "./model.ts";
export { openModel } from "./open.ts";
export { type OutputStore, refuseOverlap } from "./output-store.ts";
export {
  type LeftOut,
  type Plan,
  type PlanFile,
  type PlanLinear,
  type PlanSource,
  type PlanSourceTensor,
  type PlanTensor,
  type PlanThrough,
  parsePlan,
  planJobs,
  type Target,
} from "./plan.ts";
export type { PlanImatrix, PlanOptions, TensorTypeRule } from "./plan-options.ts";
export {
  type PlanReport,
  planReport,
  type ReportNonFinite,
  type ReportNumber,
  type ReportTensor,
} from "./plan-report.ts";
export { planWarnings } from "./plan-warnings.ts";
export { type ConversionReport, defaultBandByteLength, runPlan } from "./run.ts";
export type { RunNotice, RunOptions, RunProgress } from "./run-options.ts";
export { planMerge, planSplit, type SplitModelOptions } from "./split.ts";
export { listTargets, parseTarget } from "./target.ts";
export { type VerifiedTensor, type VerifyOptions, type VerifyReport, verifyModels } from "./verify.ts";
export { modelWarnings, runWarnings, verifyWarnings } from "./warnings.ts";
export type { WorkerHandle, WorkerReply, WorkerRequest, Workers } from "./workers/protocol.ts";
export { type WebWorkersOptions, webWorkers } from "./workers/web.ts";
