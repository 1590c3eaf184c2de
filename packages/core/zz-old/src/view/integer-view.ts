import { UsageError } from "../errors.ts";
import { floatBitsToHalf, halfToFloatBits } from "../numeric/half.ts";

/**
 * The integer view of a quantized weight W[rows, columns] (rows are out features, columns in features):
 *
 *   value[row, column] = scale[row, group] × (code[row, column] − zero[row, group]),   group = groupOfColumn[column]
 *
 * Most layouts say exactly this in different bits, so going from one to another through the view changes no weight.
 * The product of an f16 scale and an integer of up to 13 bits is exact in f32. Columns are in the model's own order;
 * act-order shows only in `groupOfColumn`. A band of rows of a view is a view.
 */
export interface IntegerView {
  readonly rows: number;
  readonly columns: number;
  readonly groupCount: number;
  /** For each column its group: non-decreasing, unless act-order sorted the columns before they were grouped. */
  readonly groupOfColumn: Int32Array;
  /** `codes[row × columns + column]`, 0 to 255. */
  readonly codes: Uint8Array;
  /** `scales[row × groupCount + group]`; may be negative. */
  readonly scales: Float32Array;
  /** `zeros[row × groupCount + group]`, the code that means 0. May lie outside the codes' range. */
  readonly zeros: Int16Array;
  /** "f16": each value is rounded once to f16, as EXL2's arithmetic does; "none": values are the exact products. */
  readonly rounding: "none" | "f16";
}

/** The group of each column where `groupSize` consecutive columns share one; the last may be short. −1: all share one. */
export function sequentialGroups(columns: number, groupSize: number): Int32Array {
  const size = groupSize === -1 ? columns : groupSize;
  const groups = new Int32Array(columns);
  for (let start = 0, group = 0; start < columns && size > 0; start += size, group++)
    groups.fill(group, start, start + size);
  return groups;
}

/**
 * Columns per group where groups are consecutive and equal but for a shorter last one; undefined where they are not
 * (act-order, or groups of different sizes).
 */
export function groupSizeOf(groupOfColumn: Int32Array): number | undefined {
  const next = groupOfColumn.findIndex((group) => group !== 0);
  const size = next === -1 ? groupOfColumn.length : next;
  if (size === 0) return undefined;
  for (let start = 0, group = 0; start < groupOfColumn.length; start += size, group++) {
    const end = Math.min(start + size, groupOfColumn.length);
    for (let column = start; column < end; column++) if (groupOfColumn[column] !== group) return undefined;
  }
  return size;
}

/** f32 values of rows `[rowStart, rowEnd)` to `out`, which holds exactly those. @throws UsageError */
export function dequantizeView(
  view: IntegerView,
  out: Float32Array,
  rowStart = 0,
  rowEnd: number = view.rows,
): void {
  const { columns, groupCount, codes, scales, zeros, rounding } = view;
  checkRows(rowStart, rowEnd, view.rows);
  checkValueCount(rowEnd - rowStart, columns, out.length);
  const runs = groupRuns(view.groupOfColumn);
  for (let row = rowStart, to = 0; row < rowEnd; row++, to += columns) {
    const from = row * columns;
    const groups = row * groupCount;
    for (const { group, start, end } of runs) {
      const scale = scales[groups + group]!;
      const zero = zeros[groups + group]!;
      for (let column = start; column < end; column++) {
        out[to + column] = scale * (codes[from + column]! - zero);
      }
    }
  }
  if (rounding === "f16") roundToHalf(out);
}

/** Each value to the nearest f16, ties to even, in place. */
export function roundToHalf(values: Float32Array): void {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  for (let i = 0; i < bits.length; i++) bits[i] = halfToFloatBits(floatBitsToHalf(bits[i]!));
}

/** Consecutive columns of one group. */
export interface GroupRun {
  readonly group: number;
  readonly start: number;
  readonly end: number;
}

/** The columns as runs of one group each; a group may have several under act-order. */
export function groupRuns(groupOfColumn: Int32Array): GroupRun[] {
  const runs: GroupRun[] = [];
  for (let start = 0, column = 1; column <= groupOfColumn.length; column++) {
    if (column < groupOfColumn.length && groupOfColumn[column] === groupOfColumn[start]) continue;
    runs.push({ group: groupOfColumn[start]!, start, end: column });
    start = column;
  }
  return runs;
}

/**
 * A new view whose row i is row `sourceRow(i)` of this one: the row permutation of rotary embeddings, a selection of
 * rows, or one expert of a stack, without touching a code. @throws UsageError for a row that is not there
 */
export function selectRows(view: IntegerView, rows: number, sourceRow: (row: number) => number): IntegerView {
  const { columns, groupCount } = view;
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  for (let row = 0; row < rows; row++) {
    const source = sourceRow(row);
    checkRows(source, source + 1, view.rows);
    codes.set(view.codes.subarray(source * columns, (source + 1) * columns), row * columns);
    scales.set(view.scales.subarray(source * groupCount, (source + 1) * groupCount), row * groupCount);
    zeros.set(view.zeros.subarray(source * groupCount, (source + 1) * groupCount), row * groupCount);
  }
  return { ...view, rows, codes, scales, zeros };
}

/**
 * The rows of all views, one after another: fused q, k and v, or gate and up. They must group their columns alike.
 * @throws UsageError
 */
export function stackViews(views: readonly IntegerView[]): IntegerView {
  const first = views[0];
  if (first === undefined) throw new UsageError("There are no views to stack.");
  const rows = views.reduce((sum, view) => sum + view.rows, 0);
  const { columns, groupCount } = first;
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  let row = 0;
  for (const view of views) {
    if (
      view.columns !== columns ||
      view.groupCount !== groupCount ||
      view.rounding !== first.rounding ||
      view.groupOfColumn.some((group, column) => group !== first.groupOfColumn[column])
    ) {
      throw new UsageError("Views that group their columns differently cannot be stacked.");
    }
    codes.set(view.codes, row * columns);
    scales.set(view.scales, row * groupCount);
    zeros.set(view.zeros, row * groupCount);
    row += view.rows;
  }
  return { ...first, rows, codes, scales, zeros };
}

/**
 * Checks a range of rows.
 * @throws UsageError unless `[start, end)` is a range of rows of a weight of `rows` rows
 */
export function checkRows(start: number, end: number, rows: number): void {
  if (Number.isInteger(start) && Number.isInteger(end) && start >= 0 && start <= end && end <= rows) return;
  throw new UsageError(`Rows ${start} to ${end} are not rows of a weight that has ${rows}.`);
}

/** Checks the length of an array of values. @throws UsageError unless `found` values are exactly `rows` rows of `columns` */
export function checkValueCount(rows: number, columns: number, found: number): void {
  if (found === rows * columns) return;
  throw new UsageError(`${rows} rows of ${columns} values do not fit an array of ${found}.`);
}
