/** The numbers of a level view by row and group, as its kernels take them. */
import { groupSizeOf } from "../view/integer-view.ts";
import { commonGroups, type Factor, type Span, spanIndex } from "../view/level-view.ts";
import type { LevelParameters } from "../view/level-weight.ts";
import { runList } from "./grid-twin.ts";

/** Numbers of one run of columns in a list: group, first column, end. */
export const RUN_LENGTH = 3;

/** Levels of the largest table. */
export const MOST_LEVELS = 256;

/** One scale and one bias for each row and group. */
export interface Grouped {
  readonly columns: number;
  readonly levels: Float32Array | undefined;
  readonly groupCount: number;
  /** Columns of each group, where all groups but the last have as many and lie in order. */
  readonly groupSize: number | undefined;
  /** Group, first column and end of each run of columns. */
  readonly runs: Int32Array;
  readonly scales: Float32Array;
  readonly biases: Float32Array | undefined;
}

/** The factors are multiplied in their order, as the reference does. */
export function groupedNumbers(parameters: LevelParameters): Grouped {
  const { rows, columns, levels, factors, offset } = parameters;
  const { groupOfColumn, groupCount } = commonGroups(parameters);
  const firsts = new Int32Array(groupCount);
  for (let column = columns - 1; column >= 0; column--) firsts[groupOfColumn[column]!] = column;
  const numbersOf = ({ values, span }: Factor): Float32Array =>
    isOwnGroups(span, groupOfColumn, groupCount)
      ? values
      : spread(rows, firsts, (row, column) => values[spanIndex(span, row, column, columns)]!);
  const [first, ...others] = factors.map(numbersOf);
  const scales = others.length === 0 ? first : first?.slice();
  for (const numbers of others) {
    for (let i = 0; i < numbers.length; i++) scales![i] = scales![i]! * numbers[i]!;
  }
  return {
    columns,
    levels: levels === "integer" ? undefined : levels,
    groupCount,
    groupSize: groupSizeOf(groupOfColumn),
    runs: runList(groupOfColumn),
    scales: scales ?? new Float32Array(rows * groupCount).fill(1),
    biases: offset.kind === "bias" ? numbersOf(offset) : undefined,
  };
}

function isOwnGroups(span: Span, groupOfColumn: Int32Array, groupCount: number): boolean {
  return (
    span.kind === "columns" &&
    span.groupCount === groupCount &&
    span.groupOfColumn.every((group, column) => group === groupOfColumn[column])
  );
}

function spread(
  rows: number,
  firsts: Int32Array,
  numberAt: (row: number, column: number) => number,
): Float32Array {
  const numbers = new Float32Array(rows * firsts.length);
  for (let row = 0, at = 0; row < rows; row++) {
    for (let group = 0; group < firsts.length; group++, at++) numbers[at] = numberAt(row, firsts[group]!);
  }
  return numbers;
}
