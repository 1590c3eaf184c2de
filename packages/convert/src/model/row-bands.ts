/** The one way in which rows of a weight are taken a band at a time, so that memory does not grow with the weight. */
import { rowCount, rowLength } from "@requant/core";

/** Rows `[start, end)`. */
export interface RowBand {
  readonly start: number;
  readonly end: number;
}

/** How rows are cut into bands. */
export interface RowBandOptions {
  /** f32 bytes of one band; at least one row is taken. Default 4 MiB. */
  readonly byteLength?: number | undefined;
  /** Rows of the first band, where it may show enough. */
  readonly firstRows?: number | undefined;
  /** Bands begin at multiples of this. Default 1. */
  readonly multiple?: number | undefined;
  /** Only these rows; all by default. */
  readonly rows?: RowBand | undefined;
}

/** f32 bytes of a band where nothing else is said. */
export const BAND_BYTE_LENGTH: number = 4 * 1024 * 1024;

/** The bands of a weight, in order. */
export function* rowBands(shape: readonly number[], options: RowBandOptions = {}): Generator<RowBand> {
  const { byteLength = BAND_BYTE_LENGTH, firstRows, multiple = 1 } = options;
  const { start: from, end: until } = options.rows ?? { start: 0, end: rowCount(shape) };
  const length = rowLength(shape);
  if (length === 0) return;
  const most = Math.floor(byteLength / (4 * length));
  const step = Math.max(multiple, most - (most % multiple));
  for (let start = from, end = start + (firstRows ?? step); start < until; start = end, end += step) {
    yield { start, end: Math.min(end, until) };
  }
}

/** The f32 memory of the longest of these bands, as a function that gives the part for one of them. */
export function bandMemory(
  shape: readonly number[],
  options: RowBandOptions = {},
): (band: RowBand) => Float32Array {
  const { byteLength = BAND_BYTE_LENGTH, rows } = options;
  const length = rowLength(shape);
  const count = rows === undefined ? rowCount(shape) : rows.end - rows.start;
  const most = Math.max(1, Math.floor(byteLength / (4 * length)));
  const buffer = new Float32Array(Math.min(most, count) * length);
  return ({ start, end }) => buffer.subarray(0, (end - start) * length);
}
