/** The SIMD twin of `view/level-weight.ts`: a weight is unpacked and dequantized some rows at a time. */
import type { RowWeight } from "../format/linear-codec.ts";
import { checkRows, checkValueCount } from "../view/integer-view.ts";
import { commonGroups, type Factor, type LevelView, type Span, spanIndex } from "../view/level-view.ts";
import * as reference from "../view/level-weight.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { runList } from "./grid-twin.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";
import type { Kernel } from "./module.ts";
import { LIST_LENGTH, placeList, tileCodes } from "./tiles.ts";

/** The fields of the class `LevelRuns` in assembly/levels.ts. */
interface LevelRuns {
  readonly codes: number;
  readonly codeStep: number;
  readonly rows: number;
  readonly runs: number;
  readonly runCount: number;
  readonly scales: number;
  readonly biases: number;
  readonly groupCount: number;
  readonly levels: number;
  readonly levelCount: number;
  readonly out: number;
  readonly outStep: number;
}

const placeLevelRuns = /* @__PURE__ */ descriptor(
  ({
    codes,
    codeStep,
    rows,
    runs,
    runCount,
    scales,
    biases,
    groupCount,
    levels,
    levelCount,
    out,
    outStep,
  }: LevelRuns) => [
    codes,
    codeStep,
    rows,
    runs,
    runCount,
    scales,
    biases,
    groupCount,
    levels,
    levelCount,
    out,
    outStep,
  ],
);

/** Numbers of one run of columns in a list: group, first column, end. */
const RUN_LENGTH = 3;

/** Codes that are unpacked at a time: with their values they fit a first-level cache, or nearly. */
const TILE_CODES = 8 * 1024;

/**
 * An opened weight whose small parts are already in memory as a level view's, and whose codes are unpacked on demand.
 * `unpackCodes` writes the codes of whole rows: `codes[(row − rowStart) × columns + column]`.
 */
export function levelWeight(
  parameters: reference.LevelParameters,
  unpackCodes: (rowStart: number, rowEnd: number, codes: Uint8Array) => void,
): RowWeight & { toLevels(rowStart: number, rowEnd: number): LevelView } {
  const weight = reference.levelWeight(parameters, unpackCodes);
  let grouped: Grouped | undefined;
  return {
    ...weight,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, weight.rows);
      checkValueCount(rowEnd - rowStart, weight.columns, out.length);
      const kernel = coreKernels.kernel("dequantizeLevels");
      if (kernel !== undefined && canRun(parameters)) {
        grouped ??= groupedNumbers(parameters);
        if (inTiles(kernel, grouped, unpackCodes, [rowStart, rowEnd], out)) return;
      }
      weight.dequantize(rowStart, rowEnd, out);
    },
  };
}

/** A code beyond the table, which the reference refuses, is possible only where the table has neither 16 nor 256 levels. */
function canRun({ levels, offset, rounding }: reference.LevelParameters): boolean {
  const count = levels === "integer" ? 256 : levels.length;
  return (count === 16 || count === MOST_LEVELS) && offset.kind !== "zeros" && rounding === "none";
}

/** One scale and one bias for each row and group. */
interface Grouped {
  readonly columns: number;
  readonly levels: Float32Array | undefined;
  readonly groupCount: number;
  /** Group, first column and end of each run of columns. */
  readonly runs: Int32Array;
  readonly scales: Float32Array;
  readonly biases: Float32Array | undefined;
}

/** The factors are multiplied in their order, as the reference does. */
function groupedNumbers(parameters: reference.LevelParameters): Grouped {
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

/** Rows of a weight as f32; false where its rows are too long for the kernels' memory. */
function inTiles(
  kernel: Kernel,
  grouped: Grouped,
  unpackCodes: (rowStart: number, rowEnd: number, codes: Uint8Array) => void,
  [rowStart, rowEnd]: readonly [start: number, end: number],
  out: Float32Array,
): boolean {
  const { columns, levels, groupCount, runs, scales, biases } = grouped;
  const isLong = 4 * columns > TILE_BYTE_LENGTH || 8 * groupCount > TILE_BYTE_LENGTH;
  if (isLong || runs.length + MOST_LEVELS > LIST_LENGTH) return false;
  if (rowStart === rowEnd || columns === 0) return true;
  const { buffer } = kernelMemory();
  const step = Math.max(1, Math.floor(TILE_CODES / columns));
  const outAddress = kernelAddress(out);
  const table = levels === undefined ? 0 : placeLevels(levels);
  const list = placeList(runs);
  for (let row = rowStart; row < rowEnd; row += step) {
    const rows = Math.min(step, rowEnd - row);
    const codes = tileCodes(rows * columns);
    unpackCodes(row, row + rows, codes);
    const count = rows * groupCount;
    const own = new Float32Array(buffer, tileOffset(2), 2 * count);
    own.set(scales.subarray(row * groupCount, row * groupCount + count));
    if (biases === undefined) own.fill(-0, count);
    else own.set(biases.subarray(row * groupCount, row * groupCount + count), count);
    const from = (row - rowStart) * columns;
    kernel(
      placeLevelRuns({
        codes: tileOffset(0),
        codeStep: columns,
        rows,
        runs: list,
        runCount: runs.length / RUN_LENGTH,
        scales: tileOffset(2),
        biases: tileOffset(2) + 4 * count,
        groupCount,
        levels: table,
        levelCount: levels?.length ?? 0,
        out: outAddress === undefined ? tileOffset(1) : outAddress + 4 * from,
        outStep: 4 * columns,
      }),
    );
    if (outAddress === undefined) out.set(new Float32Array(buffer, tileOffset(1), rows * columns), from);
  }
  return true;
}

/** Levels of the largest table. */
const MOST_LEVELS = 256;

/** Behind the list of runs, in scratch memory that no unpacking uses. */
function placeLevels(levels: Float32Array): number {
  const at = scratchOffset(2) + SCRATCH_BYTE_LENGTH - 4 * levels.length;
  new Float32Array(kernelMemory().buffer, at, levels.length).set(levels);
  return at;
}
