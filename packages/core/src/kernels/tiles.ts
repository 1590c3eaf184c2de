/**
 * Stored weights are processed in tiles: one kernel unpacks the codes of some rows and columns, and the next one
 * processes them while they are in the cache. This file decides where tiles are in memory and how large they are.
 */
import type { IntegerView } from "../view/integer-view.ts";
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";

/** What kernels need of a stored weight: pieces of its grid. */
export interface TiledWeight {
  readonly columns: number;
  readonly columnMultiple: number;
  /** The view of the rows from `rowStart` up to, but without, `rowEnd`, in the columns of `part`, whose `codes` it writes. */
  toView(
    rowStart: number,
    rowEnd: number,
    part: { readonly codes: Uint8Array; readonly columnStart: number; readonly columnEnd: number },
  ): IntegerView;
}

/** The most rows of a tile: where a word holds codes of one column, the words of so many rows are adjacent in memory. */
const ROWS = 256;
/** About so many columns: in tiles of whole rows, all rows would compete for the same few cache lines. */
const COLUMNS = 1024;

/** Rows and columns of a tile. */
export interface TileShape {
  readonly rows: number;
  readonly columns: number;
}

/**
 * The tile for a weight; undefined where its parameters or its rows are too long. `multiple`: its columns begin at
 * multiples of this as well as of the weight's own.
 */
export function tileShape(
  { columns, columnMultiple }: Pick<TiledWeight, "columns" | "columnMultiple">,
  groupCount: number,
  multiple: number,
): TileShape | undefined {
  let step = columnMultiple;
  while (step % multiple !== 0 && step < columns) step += columnMultiple;
  const width = Math.min(columns, Math.max(step, COLUMNS - (COLUMNS % step)));
  const most = Math.min(ROWS, Math.floor(TILE_BYTE_LENGTH / Math.max(width, 8 * groupCount)));
  // words may hold up to 32 rows
  const rows = most > 32 ? most - (most % 32) : most;
  return rows === 0 || width === 0 ? undefined : { rows, columns: width };
}

/** The memory for the codes of a tile. */
export function tileCodes(byteLength: number): Uint8Array {
  return new Uint8Array(kernelMemory().buffer, tileOffset(0), byteLength);
}

/** Where the scales and zero points of a band of rows are in memory, with two bytes more for each. */
export interface PlacedParameters {
  readonly count: number;
  readonly scales: number;
  readonly zeros: number;
  readonly halves: number;
}

/** Copies scales and zero points into the kernels' memory. They stay there until the next call. */
export function placeParameters(scales: Float32Array, zeros: Int16Array): PlacedParameters {
  const { buffer } = kernelMemory();
  const count = scales.length;
  const start = tileOffset(2);
  const at = { count, scales: start, zeros: start + 4 * count, halves: start + 6 * count };
  new Float32Array(buffer, at.scales, scales.length).set(scales);
  new Int16Array(buffer, at.zeros, zeros.length).set(zeros);
  return at;
}

/** Copies a short list of numbers, `SCRATCH_BYTE_LENGTH / 4` at most, into the kernels' memory. */
export function placeList(list: Int32Array): number {
  new Int32Array(kernelMemory().buffer, scratchOffset(2), list.length).set(list);
  return scratchOffset(2);
}

/** Most numbers that `placeList` takes. */
export const LIST_LENGTH: number = SCRATCH_BYTE_LENGTH / 4;
