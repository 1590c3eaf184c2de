import { type ByteSink, F32 } from "@requant/core";
import { type SafetensorsTensorData, writeSafetensors } from "@requant/safetensors";
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
  /** Tokens of a window. */
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
  { shared, windows, window, more }: StatisticsMetadata,
): Promise<void> {
  await writeSafetensors(sink, entries.flatMap(tensorsOf), {
    metadata: {
      ...more,
      format: STATISTICS_FORMAT,
      version: STATISTICS_VERSION,
      shared: JSON.stringify(shared),
      windows: String(windows),
      window: String(window),
    },
  });
}

function tensorsOf(entry: StatisticsEntry): SafetensorsTensorData[] {
  const { name, columns, tokens } = entry;
  const stack = entry.experts === undefined ? [] : [entry.experts];
  const matrices = [...tokens.keys()];
  return [
    { name: `${name}.tokens`, shape: [tokens.length], encoding: "I64", data: () => [tokenBytes(tokens)] },
    {
      name: `${name}.mean_abs`,
      shape: [...stack, columns],
      encoding: "F32",
      data: async function* () {
        for (const matrix of matrices) yield* bytesOf(await entry.readMeanAbs(matrix));
      },
    },
    {
      name: `${name}.moments`,
      shape: [...stack, columns, columns],
      encoding: "F32",
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
