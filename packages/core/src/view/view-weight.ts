import { UsageError } from "../errors.ts";
import type { LinearWeight, ViewPart } from "../format/linear-codec.ts";
import type { PackedNibbles } from "../format/packed-nibbles.ts";
import type { ViewParameters } from "./facts.ts";
import { checkRows, checkValueCount, dequantizeView, type IntegerView } from "./integer-view.ts";

/** Writes codes of a rectangle of a weight: `codes[(row − rowStart) × (columnEnd − columnStart) + column − columnStart]`. */
export type UnpackCodes = (
  rowStart: number,
  rowEnd: number,
  codes: Uint8Array,
  columnStart: number,
  columnEnd: number,
) => void;

/**
 * An opened weight whose small parts are already in memory as a view's, and whose codes are unpacked on demand.
 * `columnMultiple`: `unpackCodes` is called for columns from multiples of this to multiples of this. `nibbles`: the same
 * numbers.
 */
export function viewWeight(
  parameters: ViewParameters,
  columnMultiple: number,
  unpackCodes: UnpackCodes,
  nibbles?: PackedNibbles,
): LinearWeight {
  const { rows, columns, groupCount, groupOfColumn } = parameters;

  function toView(rowStart: number, rowEnd: number, part?: ViewPart): IntegerView {
    checkRows(rowStart, rowEnd, rows);
    const { columnStart = 0, columnEnd = columns } = part ?? {};
    const isWhole = columnStart === 0 && columnEnd === columns;
    if (!isWhole) checkColumns(columnStart, columnEnd);
    const length = (rowEnd - rowStart) * (columnEnd - columnStart);
    const codes = part?.codes ?? new Uint8Array(length);
    checkValueCount(rowEnd - rowStart, columnEnd - columnStart, codes.length);
    if (length > 0) unpackCodes(rowStart, rowEnd, codes, columnStart, columnEnd);
    const groups = [rowStart * groupCount, rowEnd * groupCount] as const;
    // getters: the arrays may be made only now
    const { scales, zeros, rounding } = parameters;
    return {
      rounding,
      groupCount,
      rows: rowEnd - rowStart,
      columns: columnEnd - columnStart,
      groupOfColumn: isWhole ? groupOfColumn : groupOfColumn.subarray(columnStart, columnEnd),
      codes,
      scales: part === undefined ? scales.slice(...groups) : scales.subarray(...groups),
      zeros: part === undefined ? zeros.slice(...groups) : zeros.subarray(...groups),
    };
  }

  function checkColumns(start: number, end: number): void {
    const fits = (column: number): boolean => column % columnMultiple === 0 || column === columns;
    if (0 <= start && start <= end && end <= columns && fits(start) && fits(end)) return;
    throw new UsageError(
      `Columns ${start} to ${end} are not a part of ${columns}: parts begin and end at multiples of ${columnMultiple}.`,
    );
  }

  let scratch = new Uint8Array(0);
  return {
    rows,
    columns,
    columnMultiple,
    nibbles,
    toView,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      if (scratch.length < out.length) scratch = new Uint8Array(out.length);
      dequantizeView(toView(rowStart, rowEnd, { codes: scratch.subarray(0, out.length) }), out);
    },
  };
}
