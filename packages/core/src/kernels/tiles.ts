/**
 * Stored weights are worked through in tiles: one kernel unpacks the codes of some rows and columns, the next one makes
 * something of them while they are in cache. Here is where tiles lie, and how large they are.
 */
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";

/** What kernels need of a grid. */
export interface GridArrays {
  readonly rows: number;
  readonly columns: number;
  readonly groupCount: number;
  readonly groupOfColumn: Int32Array;
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Int16Array;
  readonly rounding: "none" | "f16";
}

/** What kernels need of a stored weight: pieces of its grid. */
export interface TiledWeight {
  readonly columns: number;
  readonly columnMultiple: number;
  toView(
    rowStart: number,
    rowEnd: number,
    part: { readonly codes: Uint8Array; readonly columnStart: number; readonly columnEnd: number },
  ): GridArrays;
}

/** Most rows of a tile: where words hold codes of one column, so many of them stand together in memory. */
const ROWS = 256;
/** About so many columns: tiles of whole rows would have all their rows in the same few lines of a cache. */
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

/** Where kernels find the scales and zero points of a band of rows, and two bytes more for each of them. */
export interface PlacedParameters {
  readonly count: number;
  readonly scales: number;
  readonly zeros: number;
  readonly halves: number;
}

/** Copies scales and zero points there. They stay until the next call. */
export function placeParameters(scales: Float32Array, zeros: Int16Array): PlacedParameters {
  const { buffer } = kernelMemory();
  const count = scales.length;
  const start = tileOffset(2);
  const at = { count, scales: start, zeros: start + 4 * count, halves: start + 6 * count };
  new Float32Array(buffer, at.scales, scales.length).set(scales);
  new Int16Array(buffer, at.zeros, zeros.length).set(zeros);
  return at;
}

/** Copies a short list of numbers, `SCRATCH_BYTE_LENGTH / 4` at most, to where kernels find it. */
export function placeList(list: Int32Array): number {
  new Int32Array(kernelMemory().buffer, scratchOffset(2), list.length).set(list);
  return scratchOffset(2);
}

/** Most numbers that `placeList` takes. */
export const LIST_LENGTH: number = SCRATCH_BYTE_LENGTH / 4;
