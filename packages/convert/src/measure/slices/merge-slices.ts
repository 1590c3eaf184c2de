/** Adds the statistics of slices, in the order of the slices: the bytes do not depend on who made which slice, and when. */
import type { StatisticsShape } from "@requant/calibrate";
import { F32, FormatError, type StagedFile } from "@requant/core";
import type { Safetensors, SafetensorsLayout, SafetensorsTensorInfo } from "@requant/safetensors";

/** Numbers of each slice that are in memory at a time. */
const CHUNK_LENGTH = 1 << 18;

/** Where the sum goes, and how far it is. */
export interface MergeTarget {
  readonly layout: SafetensorsLayout;
  readonly file: StagedFile;
  /** The entry that is of the vocabulary and not of the text. */
  readonly embedding: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with the bytes that were written. */
  onBytes(byteLength: number): void;
}

/** The tokens of an entry, matrix by matrix. */
export interface MergedEntry {
  readonly name: string;
  readonly tokens: readonly number[];
}

/**
 * Writes the means over all tokens: each slice's means count by the slice's share of the tokens. Sums are f64 and rounded once.
 * Memory: a few MB, whatever the number of columns.
 */
export async function mergeSlices(
  all: readonly Safetensors[],
  shapes: readonly StatisticsShape[],
  target: MergeTarget,
): Promise<MergedEntry[]> {
  const merged: MergedEntry[] = [];
  await target.file.write(target.layout.header, 0);
  for (const { name, columns, experts } of shapes) {
    // the first slice alone has the rows of the embeddings
    const slices = name === target.embedding ? all.slice(0, 1) : all;
    const each: number[][] = [];
    for (const slice of slices) each.push(await readTokens(slice, tensorOf(slice, `${name}.tokens`)));
    const tokens = Array.from({ length: experts ?? 1 }, (_, matrix) =>
      each.reduce((sum, counts) => sum + (counts[matrix] ?? 0), 0),
    );
    merged.push({ name, tokens });
    await writeTokens(name, tokens, target);
    const matrices = tokens.map((total, matrix) => ({
      matrix,
      shares: each.map((counts) => (counts[matrix] ?? 0) / Math.max(1, total)),
    }));
    for (const [part, length] of [
      ["mean_abs", columns],
      ["moments", columns * columns],
    ] as const) {
      for (const { matrix, shares } of matrices) {
        await mergeRange(slices, { name: `${name}.${part}`, start: matrix * length, length, shares }, target);
      }
    }
  }
  return merged;
}

interface MergedRange {
  readonly name: string;
  /** The first number, and how many. */
  readonly start: number;
  readonly length: number;
  /** Of each slice. */
  readonly shares: readonly number[];
}

async function mergeRange(
  slices: readonly Safetensors[],
  { name, start, length, shares }: MergedRange,
  { layout, file, signal, onBytes }: MergeTarget,
): Promise<void> {
  const place = placeOf(layout, name);
  for (let at = 0; at < length; at += CHUNK_LENGTH) {
    signal?.throwIfAborted();
    const count = Math.min(CHUNK_LENGTH, length - at);
    const sums = new Float64Array(count);
    const values = new Float32Array(count);
    for (const [index, slice] of slices.entries()) {
      const share = shares[index] ?? 0;
      if (share === 0) continue;
      const first = 4 * (start + at);
      F32.dequantize(await slice.read(tensorOf(slice, name), first, first + 4 * count), values);
      for (let i = 0; i < count; i++) sums[i]! += share * values[i]!;
    }
    const bytes = new Uint8Array(4 * count);
    F32.quantize?.(Float32Array.from(sums), count, bytes);
    await file.write(bytes, place + 4 * (start + at));
    onBytes(bytes.byteLength);
  }
}

async function writeTokens(
  name: string,
  tokens: readonly number[],
  { layout, file }: MergeTarget,
): Promise<void> {
  const bytes = new Uint8Array(8 * tokens.length);
  const view = new DataView(bytes.buffer);
  for (const [matrix, count] of tokens.entries()) view.setBigInt64(8 * matrix, BigInt(count), true);
  await file.write(bytes, placeOf(layout, `${name}.tokens`));
}

async function readTokens(slice: Safetensors, tensor: SafetensorsTensorInfo): Promise<number[]> {
  const bytes = await slice.read(tensor, 0, tensor.byteLength);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, index) =>
    Number(view.getBigInt64(8 * index, true)),
  );
}

function placeOf({ tensors }: SafetensorsLayout, name: string): number {
  const place = tensors.find((tensor) => tensor.name === name)?.byteOffset;
  if (place === undefined) throw missing(name);
  return place;
}

function tensorOf(slice: Safetensors, name: string): SafetensorsTensorInfo {
  const tensor = slice.tensors.find((info) => info.name === name);
  if (tensor === undefined) throw missing(name);
  return tensor;
}

function missing(tensor: string): FormatError {
  return new FormatError("The statistics of a part lack an input of the model.", {
    tensor,
    hint: "Abandon the plan, save it again, and run all parts.",
  });
}
