import { E4M3_VALUES } from "./float8.ts";

/** Scales of rows of 8-bit floats. */
export interface RowScales {
  /** Of the first row: `values[⌊column ÷ blockColumns⌋]`. */
  readonly values: Float32Array;
  /** From the scales of a row to those of the next row; 0 where all rows have the same. */
  readonly rowStep: number;
  /** Columns that share a scale. */
  readonly blockColumns: number;
}

/**
 * Rows of E4M3 codes times their scales, as f32: each product is rounded once.
 * @param codes whole rows of `columns` codes
 * @param out as many values as there are codes
 */
export function dequantizeE4m3(
  codes: Uint8Array,
  columns: number,
  { values, rowStep, blockColumns }: RowScales,
  out: Float32Array,
): void {
  for (let start = 0, first = 0; start < codes.length; start += columns, first += rowStep) {
    for (let column = 0, at = first; column < columns; at++) {
      const scale = values[at]!;
      const end = Math.min(column + blockColumns, columns);
      for (; column < end; column++) out[start + column] = scale * E4M3_VALUES[codes[start + column]!]!;
    }
  }
}
