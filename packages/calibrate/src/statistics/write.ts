import { type ByteSink, F32, type TensorShape } from "@requant/core";
import {
  layoutSafetensors,
  type SafetensorsLayout,
  type SafetensorsTensorData,
  writeSafetensors,
} from "@requant/safetensors";
import type { StatisticsEntry } from "./entry.ts";

/** Marks a file of statistics, in its metadata. */
export const STATISTICS_FORMAT = "requant-statistics";
export const STATISTICS_VERSION = "1";

/** Numbers that are converted to bytes at a time. */
const CHUNK_LENGTH = 1 << 18;

/** What stands beside the entries of a file of statistics. */
export interface StatisticsMetadata {
  /** Names of weights, each with the name of the entry whose input it shares. */
  readonly shared: Readonly<Record<string, string>>;
  /** Windows of text that were summed. */
  readonly windows: number;
  /** Tokens of a window; 0 for merged statistics whose windows differ. */
  readonly window: number;
  /** Whatever else a program wants to find again, under names of its own. */
  readonly more?: Readonly<Record<string, string>> | undefined;
}

/**
 * Writes a file of statistics: a safetensors file that has, for each entry, `NAME.moments` [columns, columns] or [experts, columns,
 * columns], mean of x xᵀ over the tokens; `NAME.mean_abs` [columns] or [experts, columns]; `NAME.tokens`, I64 [1] or [experts].
 * One matrix is in memory at a time. The caller closes the sink.
 */
export async function writeStatistics(
  sink: ByteSink,
  entries: readonly StatisticsEntry[],
  metadata: StatisticsMetadata,
): Promise<void> {
  await writeSafetensors(sink, entries.flatMap(statisticsTensors), { metadata: metadataOf(metadata) });
}

/** What of an entry is known before anything is summed. */
export type StatisticsShape = Pick<StatisticsEntry, "name" | "columns" | "experts">;

/** Where each byte of such a file will be, before anything is summed: for writing it entry by entry. */
export function layoutStatistics(
  entries: readonly StatisticsShape[],
  metadata: StatisticsMetadata,
): SafetensorsLayout {
  return layoutSafetensors(entries.flatMap(shapesOf), metadataOf(metadata));
}

function metadataOf({ shared, windows, window, more }: StatisticsMetadata): Record<string, string> {
  return {
    ...more,
    format: STATISTICS_FORMAT,
    version: STATISTICS_VERSION,
    shared: JSON.stringify(shared),
    windows: String(windows),
    window: String(window),
  };
}

function shapesOf({ name, columns, experts }: StatisticsShape): [TensorShape, TensorShape, TensorShape] {
  const stack = experts === undefined ? [] : [experts];
  return [
    { name: `${name}.tokens`, shape: [experts ?? 1], encoding: "I64" },
    { name: `${name}.mean_abs`, shape: [...stack, columns], encoding: "F32" },
    { name: `${name}.moments`, shape: [...stack, columns, columns], encoding: "F32" },
  ];
}

/** The tensors of one entry, as they are written. */
export function statisticsTensors(entry: StatisticsEntry): SafetensorsTensorData[] {
  const [tokens, meanAbs, moments] = shapesOf(entry);
  const matrices = [...entry.tokens.keys()];
  return [
    { ...tokens, data: () => [tokenBytes(entry.tokens)] },
    {
      ...meanAbs,
      data: async function* () {
        for (const matrix of matrices) yield* bytesOf(await entry.readMeanAbs(matrix));
      },
    },
    {
      ...moments,
      data: async function* () {
        for (const matrix of matrices) yield* bytesOf((await entry.read(matrix)).moments);
      },
    },
  ];
}

function tokenBytes(tokens: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(8 * tokens.length);
  const view = new DataView(bytes.buffer);
  for (const [index, count] of tokens.entries()) view.setBigInt64(8 * index, BigInt(count), true);
  return bytes;
}

function* bytesOf(values: Float32Array): Generator<Uint8Array> {
  for (let start = 0; start < values.length; start += CHUNK_LENGTH) {
    const part = values.subarray(start, start + CHUNK_LENGTH);
    const bytes = new Uint8Array(part.byteLength);
    F32.quantize?.(part, part.length, bytes);
    yield bytes;
  }
}
