/**
 * What calibration needs of a model: a forward pass in f32, layer by layer, that reports the inputs of all linear layers.
 * @module
 * @example
 * import { type DecoderSource, memoryStates, openDecoder } from "@requant/calibrate";
 *
 * async function logitsOf(source: DecoderSource, tokens: Int32Array): Promise<Float32Array> {
 *   const decoder = openDecoder(source);
 *   const states = memoryStates(1, tokens.length, decoder.hidden);
 *   await decoder.embed(tokens, states);
 *   for (let layer = 0; layer < decoder.layers; layer++) await decoder.runLayer(layer, states);
 *   const last = new Float32Array(tokens.length * decoder.hidden);
 *   await states.read(0, last);
 *   const head = await decoder.openHead();
 *   return head.logits(last); // [tokens, vocabulary]
 * }
 */

export type { Compute, ComputeArray, MomentSums } from "./compute/compute.ts";
export { referenceCompute } from "./compute/reference.ts";
export type { ThreadHandle, ThreadSetup, Threads } from "./compute/threads.ts";
export { type WasmComputeOptions, wasmCompute } from "./compute/wasm-compute.ts";
export { type WebThreadsOptions, webThreads } from "./compute/web.ts";
export type { AttentionWindow } from "./decoder/attention.ts";
export { EMBEDDING_NAME } from "./decoder/embedding-name.ts";
export type { DecoderHead } from "./decoder/head.ts";
export { type Decoder, type DecoderOptions, openDecoder } from "./decoder/open.ts";
export type { DecoderSource } from "./decoder/source.ts";
export { decoderLogits } from "./evaluate/decoder-logits.ts";
export { type EvaluateOptions, evaluateModel, type LogitSource } from "./evaluate/evaluate.ts";
export { type Evaluation, EvaluationMeter } from "./evaluate/meter.ts";
export { type HiddenStates, memoryStates } from "./hidden-states.ts";
export type { LinearInput, Observer } from "./observer.ts";
export { type CollectedEntry, type CollectorOptions, StatisticsCollector } from "./statistics/collector.ts";
export {
  type StatisticsEntry,
  sharedNames,
  unreachedExperts,
  unusedExpertFindings,
} from "./statistics/entry.ts";
export { type ImportanceSums, importanceSums } from "./statistics/importance.ts";
export { mergeStatistics } from "./statistics/merge.ts";
export { type OpenStatisticsOptions, openStatistics, type StatisticsReader } from "./statistics/read.ts";
export {
  layoutStatistics,
  type StatisticsMetadata,
  type StatisticsShape,
  statisticsTensors,
  writeStatistics,
} from "./statistics/write.ts";
export { bosOf, openTokenizer, type TextTokenizer, type TokenizerFiles } from "./text/tokenizer.ts";
export { textWindows, type WindowOptions } from "./text/windows.ts";
