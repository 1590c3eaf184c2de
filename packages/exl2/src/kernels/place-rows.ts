import { kernelMemory, TILE_BYTE_LENGTH, tileOffset } from "@requant/core/kernels";
import type { GroupWeights } from "../search-scales.ts";

/** Rows whose numbers, one f32 each, are the first part of tile 1. */
const MOST_ROWS = 16_384;
/** Columns of a group whose importance is the second part. */
const MOST_COLUMNS = 4096;

/** Memory for some rows of a group, its codes behind them not included. */
export interface PlacedGroup {
  /** f32[rows][size] */
  readonly values: number;
  /** A number of each row, f32. */
  readonly numbers: number;
  /** f32[size]; set also where the group has no importance. */
  readonly importance: number;
  /** Sixteen more f32. */
  readonly scales: number;
  /** Bytes that the kernel makes: at most one for each weight. */
  readonly made: number;
  /** Most rows at a time. */
  readonly rows: number;
}

/** Where the rows of a group go; undefined where the group is too large. */
export function placeGroup({ size, start, importance }: GroupWeights): PlacedGroup | undefined {
  const rows = Math.min(MOST_ROWS, Math.floor(TILE_BYTE_LENGTH / (4 * size)));
  if (rows === 0 || size > MOST_COLUMNS) return undefined;
  const numbers = tileOffset(1);
  const scales = numbers + 4 * MOST_ROWS;
  const place = {
    values: tileOffset(0),
    numbers,
    scales,
    importance: scales + 64,
    made: tileOffset(2),
    rows,
  };
  const columns = new Float32Array(kernelMemory().buffer, place.importance, size);
  if (importance === undefined) columns.fill(1);
  else columns.set(importance.subarray(start, start + size));
  return place;
}

/** Copies the weights of a row to `placed` from `at` on. */
export function placeRow(
  { values, width, start, size }: GroupWeights,
  row: number,
  placed: Float32Array,
  at: number,
): void {
  const from = row * width + start;
  for (let i = 0; i < size; i++) placed[at + i] = values[from + i]!;
}
