/** The SIMD twin of `view/level-weight.ts`: a weight is unpacked and dequantized some rows at a time. */
import type { RowWeight } from "../format/linear-codec.ts";
import { E4M3_VALUES } from "../numeric/float8.ts";
import { checkRows, checkValueCount } from "../view/integer-view.ts";
import type { LevelView } from "../view/level-view.ts";
import * as reference from "../view/level-weight.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { dequantizeE4m3 } from "./float8-twin.ts";
import { type Grouped, groupedNumbers, MOST_LEVELS, RUN_LENGTH } from "./grouped-numbers.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";
import type { Kernel } from "./module.ts";
import { dequantizeNibbles } from "./nibble-groups.ts";
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

/** Codes that are unpacked at a time: with their values they fit a first-level cache, or nearly. */
const TILE_CODES = 8 * 1024;

/**
 * An opened weight whose small parts are already in memory as a level view's, and whose codes are unpacked on demand.
 * `unpackCodes` writes the codes of whole rows: `codes[(row − rowStart) × columns + column]`. `stored`: the same codes in
 * a form that the kernels read without unpacking.
 */
export function levelWeight(
  parameters: reference.LevelParameters,
  unpackCodes: UnpackRows,
  stored?: StoredCodes,
): RowWeight & {
  /** The exact codes, levels and scales of the rows from `rowStart` up to, but without, `rowEnd`. */
  toLevels(rowStart: number, rowEnd: number): LevelView;
} {
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
        if (stored !== undefined && READERS[stored.bits](grouped, stored.bytes, rowStart, out)) return;
        if (inTiles(kernel, grouped, unpackCodes, [rowStart, rowEnd], out)) return;
      }
      weight.dequantize(rowStart, rowEnd, out);
    },
  };
}

/** Codes as they are stored, each row in bytes of its own. */
export interface StoredCodes {
  /** 4: two codes in a byte, the even column in the low bits. 8: a byte each. */
  readonly bits: 4 | 8;
  readonly bytes: Uint8Array;
}

/** @inline */
type UnpackRows = (rowStart: number, rowEnd: number, codes: Uint8Array) => void;

/** A code beyond the table, which the reference refuses, is possible only where the table has neither 16 nor 256 levels. */
function canRun({ levels, offset, rounding }: reference.LevelParameters): boolean {
  const count = levels === "integer" ? 256 : levels.length;
  return (count === 16 || count === MOST_LEVELS) && offset.kind !== "zeros" && rounding === "none";
}

/** Dequantizes the rows of `out` from `rowStart` on; false where there is no kernel for such a weight. */
type ReadStored = (grouped: Grouped, bytes: Uint8Array, rowStart: number, out: Float32Array) => boolean;

const READERS: Readonly<Record<StoredCodes["bits"], ReadStored>> = {
  4: dequantizeNibbles,
  8: dequantizeFloat8,
};

/** E4M3 codes in groups of one width, without biases. */
function dequantizeFloat8(
  { columns, levels, groupSize, groupCount, scales, biases }: Grouped,
  bytes: Uint8Array,
  rowStart: number,
  out: Float32Array,
): boolean {
  if (levels !== E4M3_VALUES || groupSize === undefined || biases !== undefined) return false;
  const from = rowStart * columns;
  const values = scales.subarray(rowStart * groupCount);
  const groups = { values, rowStep: groupCount, blockColumns: groupSize };
  dequantizeE4m3(bytes.subarray(from, from + out.length), columns, groups, out);
  return true;
}

/** Rows of a weight as f32; false where its rows are too long for the kernels' memory. */
function inTiles(
  kernel: Kernel,
  grouped: Grouped,
  unpackCodes: UnpackRows,
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

/** Behind the list of runs, in scratch memory that no unpacking uses. */
function placeLevels(levels: Float32Array): number {
  const at = scratchOffset(2) + SCRATCH_BYTE_LENGTH - 4 * levels.length;
  new Float32Array(kernelMemory().buffer, at, levels.length).set(levels);
  return at;
}
