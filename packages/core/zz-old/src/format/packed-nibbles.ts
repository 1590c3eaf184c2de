/**
 * 4-bit codes as GPTQ and AWQ pack them, for kernels that repack them without first unpacking each code to a byte.
 * value[row, column] = scale × (code − zero), as in `IntegerView`.
 */
export interface PackedNibbles {
  /**
   * What a word holds. "columns": eight columns of a row, lowest bits first; the words are `[columns / 8, rows]`. "rows":
   * eight rows of a column, at the bits 0, 16, 4, 20, 8, 24, 12, 28; the words are `[columns, rows / 8]`.
   */
  readonly along: "columns" | "rows";
  readonly words: Uint32Array;
  /** For each column its group, as in `IntegerView`. */
  readonly groupOfColumn: Int32Array;
  /** f16 scales, `[groups, rows]`. All are finite. */
  readonly scales: Uint16Array;
  /** Zero points, 0 to 15: the one that all groups have, or `[groups, rows]`. */
  readonly zeros: number | Uint8Array;
}
