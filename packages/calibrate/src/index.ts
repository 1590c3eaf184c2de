/**
 * Calibration: matrix products on threads, statistics of inputs, windows of a text, perplexity.
 * @example
 * import { evaluateModel, type LogitSource, openTokenizer, textWindows } from "@requant/calibrate";
 *
 * async function perplexity(model: LogitSource, tokenizer: Uint8Array, text: string): Promise<string> {
 *   const tokens = openTokenizer({ tokenizer }).encode(text);
 *   const windows = textWindows(tokens, { window: 512 });
 *   const { perplexity, perplexityError } = await evaluateModel(model, { windows });
 *   return `${perplexity.toFixed(4)} ± ${perplexityError.toFixed(4)}`;
 * }
 */

export type { Compute, ComputeArray } from "./compute/compute.ts";
export { plainCompute } from "./compute/plain.ts";
export type { ThreadHandle, ThreadSetup, Threads } from "./compute/threads.ts";
export { type WasmComputeOptions, wasmCompute } from "./compute/wasm-compute.ts";
export { type WebThreadsOptions, webThreads } from "./compute/web.ts";
export type { AttentionWindow } from "./decoder/attention.ts";
export { type EvaluateOptions, evaluateModel, type LogitSource } from "./evaluate/evaluate.ts";
export { type Evaluation, EvaluationMeter } from "./evaluate/meter.ts";
export { type CollectedEntry, type CollectorOptions, StatisticsCollector } from "./statistics/collector.ts";
export { type StatisticsEntry, unusedExpertFindings } from "./statistics/entry.ts";
export { type ImportanceSums, importanceSums } from "./statistics/importance.ts";
export { mergeStatistics } from "./statistics/merge.ts";
export { type OpenStatisticsOptions, openStatistics, type StatisticsReader } from "./statistics/read.ts";
export { type StatisticsMetadata, writeStatistics } from "./statistics/write.ts";
export { bosOf, openTokenizer, type TextTokenizer, type TokenizerFiles } from "./text/tokenizer.ts";
export { textWindows, type WindowOptions } from "./text/windows.ts";
