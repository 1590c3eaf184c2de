/** A weight of four-bit floats with block scales, as both formats of this package store it: opened, and measured. */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { LinearPart, RowWeight } from "@requant/core/format";
import { E2M1_VALUES, e8m0ToFloat, floatToE8m0, isE4m3Scale } from "@requant/core/numeric";
import {
  checkRows,
  checkValueCount,
  isBfloat,
  isHalf,
  type LevelView,
  type Misfit,
  sequentialGroups,
  type ViewFacts,
} from "@requant/core/view";
import { dequantizePairs } from "./kernels/pairs-twin.ts";
import { type PairedCodes, unpackPairs } from "./pairs.ts";

/** Rows of whole blocks. */
export interface FloatBlocks extends PairedCodes {
  readonly rows: number;
  readonly columns: number;
  /** Set where `scaleValues` are the products of other values and this number, each rounded to f32. */
  readonly tensorScale?: { readonly scale: number; readonly blockValues: Float32Array };
}

/** The same without codes: what the small parts tell. */
export type FloatBlockParameters = Omit<FloatBlocks, "pairs">;

/** The weight, opened. */
export function openFloatBlocks(blocks: FloatBlocks): RowWeight & Required<Pick<RowWeight, "toLevels">> {
  const { rows, columns } = blocks;
  return {
    rows,
    columns,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      dequantizePairs(bandOf(blocks, rowStart, rowEnd), out);
    },
    toLevels: (rowStart, rowEnd) => levelsOf(blocks, rowStart, rowEnd),
  };
}

function bandOf(blocks: FloatBlocks, rowStart: number, rowEnd: number): PairedCodes {
  const { columns, pairs, scales, blockSize } = blocks;
  const [width, count] = [columns / 2, columns / blockSize];
  return {
    ...blocks,
    pairs: pairs.subarray(rowStart * width, rowEnd * width),
    scales: scales.subarray(rowStart * count, rowEnd * count),
  };
}

function levelsOf(blocks: FloatBlocks, rowStart: number, rowEnd: number): LevelView {
  const { rows, columns, blockSize, tensorScale } = blocks;
  checkRows(rowStart, rowEnd, rows);
  const { pairs, scales, scaleValues } = bandOf(blocks, rowStart, rowEnd);
  const blockValues = tensorScale?.blockValues ?? scaleValues;
  const codes = new Uint8Array((rowEnd - rowStart) * columns);
  unpackPairs(pairs, codes);
  const values = new Float32Array(scales.length);
  for (let i = 0; i < values.length; i++) values[i] = blockValues[scales[i]!]!;
  const groupOfColumn = sequentialGroups(columns, blockSize);
  return {
    rows: rowEnd - rowStart,
    columns,
    codes,
    levels: E2M1_VALUES,
    factors: [
      { values, span: { kind: "columns", groupCount: columns / blockSize, groupOfColumn } },
      ...(tensorScale === undefined
        ? []
        : [{ values: Float32Array.of(tensorScale.scale), span: { kind: "tensor" } } as const]),
    ],
    offset: { kind: "none" },
    rounding: "none",
  };
}

/** What is known from the scales alone. */
export interface MeasuredBlocks {
  /** Of the same numbers as integers: twice the levels, and half the scales. Undefined where a scale is no number. */
  readonly facts: ViewFacts | undefined;
  readonly noView: Misfit | undefined;
  /** Float types that hold every product of a level and a scale. */
  readonly exactIn: readonly ("F16" | "BF16")[];
}

/** Twice the largest level. */
const ZERO = 12;

/** Facts of a weight from its scale bytes: of each of the 256 only whether it occurs, and where neighbours differ. */
export function measureFloatBlocks(blocks: FloatBlockParameters): MeasuredBlocks {
  const { rows, columns, blockSize, scales, scaleValues } = blocks;
  const used = usedBytes(scales);
  const numbers = used.map((byte) => scaleValues[byte]!);
  const exactIn = FLOATS.filter(({ holds }) =>
    numbers.every((scale) => POSITIVE.every((level) => holds(Math.fround(level * scale)))),
  ).map(({ name }) => name);
  const unfit = numbers.findIndex((scale) => !isStep(scale));
  if (unfit !== -1) {
    const byte = used[unfit]!;
    const [row, block] = placeOf(scales, byte, columns / blockSize);
    const reason = `the scale byte ${byte} of row ${row}, block ${block} stands for ${numbers[unfit]}, with which not every code is a finite f32 number, or not half of one`;
    return { facts: undefined, noView: { reason }, exactIn };
  }
  const halves = numbers.map((scale) => scale / 2);
  const scalesAreHalf = halves.every(isHalf);
  const facts: ViewFacts = {
    rows,
    columns,
    groupCount: columns / blockSize,
    groupSize: blockSize,
    scattered: false,
    scaleBlockSize: sharedBlockSize(scales, columns, blockSize),
    zeroBlockSize: [256, 128, 64, 32].find((size) => columns % size === 0) ?? 16,
    maxCode: 2 * ZERO,
    minZero: ZERO,
    maxZero: ZERO,
    minOffset: -ZERO,
    maxOffset: ZERO,
    symmetric: true,
    hasNegativeScales: halves.some((scale) => scale < 0),
    scalesAreHalf,
    scalesAreBfloat: halves.every(isBfloat),
    offsetsAreHalf: halves.every((scale) => isHalf(scale * ZERO)),
    rounding: "none",
    storedOffsets: "integer",
    table: "E2M1",
    scaleType: scaleTypeOf(numbers),
  };
  return { facts, noView: undefined, exactIn };
}

/** The levels above 0. */
const POSITIVE: readonly number[] = [0.5, 1, 1.5, 2, 3, 4, 6];

const FLOATS: readonly { readonly name: "F16" | "BF16"; holds(value: number): boolean }[] = [
  { name: "BF16", holds: (value) => Number.isNaN(value) || isBfloat(value) },
  { name: "F16", holds: (value) => Number.isNaN(value) || isHalf(value) },
];

/** True where every level is a finite number, and half of the scale an f32 number, so that integers can stand for the levels. */
function isStep(scale: number): boolean {
  return Number.isFinite(Math.fround(6 * scale)) && Math.fround(scale / 2) === scale / 2;
}

/** The scale bytes that occur, ascending. */
function usedBytes(scales: Uint8Array): number[] {
  const seen = new Uint8Array(256);
  for (let i = 0; i < scales.length; i++) seen[scales[i]!] = 1;
  return Array.from(seen.keys()).filter((byte) => seen[byte] === 1);
}

function placeOf(scales: Uint8Array, byte: number, perRow: number): readonly [row: number, block: number] {
  const at = scales.indexOf(byte);
  return [Math.floor(at / perRow), at % perRow];
}

/** The largest of 256, 128, 64, 32 and 16 columns that share a scale in every row. */
function sharedBlockSize(scales: Uint8Array, columns: number, blockSize: number): number {
  const perRow = columns / blockSize;
  let shared = 256;
  while (shared > blockSize && columns % shared !== 0) shared /= 2;
  for (let i = 1; i < scales.length && shared > blockSize; i++) {
    const block = i % perRow;
    while (shared > blockSize && (block * blockSize) % shared !== 0 && scales[i] !== scales[i - 1]) {
      shared /= 2;
    }
  }
  return Math.max(shared, blockSize);
}

function scaleTypeOf(numbers: readonly number[]): ViewFacts["scaleType"] {
  const arePowers = numbers.every((value) => floatToE8m0(value) !== undefined);
  if (numbers.every(isE4m3Scale)) return arePowers ? "both" : "E4M3";
  return arePowers ? "E8M0" : undefined;
}

/** The sizes of a matrix of bytes. @throws FormatError for parts of another encoding or shape */
export function byteMatrix(
  part: LinearPart,
  encoding: string,
  dimensions: number,
  place: ErrorPlace,
): readonly number[] {
  const isStorable = part.shape.every((size) => Number.isSafeInteger(size) && size > 0);
  if (part.encoding === encoding && part.shape.length === dimensions && isStorable) return part.shape;
  const shape = Array.from({ length: dimensions }, () => "n").join(", ");
  throw new FormatError(
    `The part ${part.suffix} is ${part.encoding} [${part.shape.join(", ")}]; ${encoding} [${shape}] was expected.`,
    place,
  );
}

/** The values of the 256 E8M0 bytes; NaN for 255. */
export const E8M0_VALUES: Float32Array = /* @__PURE__ */ Float32Array.from({ length: 256 }, (_, byte) =>
  e8m0ToFloat(byte),
);
