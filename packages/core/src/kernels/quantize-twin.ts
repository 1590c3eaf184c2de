/** The SIMD twin of `quantizeView`: kernels see many groups in one call. */
import {
  CANDIDATES,
  COARSE_ROUNDS,
  coarseShare,
  FINE_ROUNDS,
  fineFactor,
  fineZero,
  type StepRules,
} from "../view/grid-search.ts";
import type { IntegerView } from "../view/integer-view.ts";
import * as reference from "../view/quantize.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";

/** As the reference, with kernels. @throws ConversionError for weights that are not finite, or too large */
export function quantizeView(
  values: Float32Array,
  rows: number,
  columns: number,
  options: reference.QuantizeViewOptions,
): IntegerView {
  return reference.quantizeView(values, rows, columns, options, tools);
}

/** The fields of the class `SearchedRows` in assembly/grid-search.ts. */
interface SearchedRows {
  readonly values: number;
  readonly rows: number;
  readonly columns: number;
  readonly size: number;
  readonly importance: number;
  readonly scales: number;
  readonly zeros: number;
  readonly maxCode: number;
  readonly minZero: number;
  readonly symmetric: number;
  readonly scaleType: number;
  readonly tables: number;
}

const placeSearch = /* @__PURE__ */ descriptor(
  ({
    values,
    rows,
    columns,
    size,
    importance,
    scales,
    zeros,
    maxCode,
    minZero,
    symmetric,
    scaleType,
    tables,
  }: SearchedRows) => [
    values,
    rows,
    columns,
    size,
    importance,
    scales,
    zeros,
    maxCode,
    minZero,
    symmetric,
    scaleType,
    tables,
  ],
);

const SCALE_TYPES = { F32: 0, F16: 1, BF16: 2 } as const;

/** Some rows, with their values in the memory of the kernels. */
interface PlacedRows {
  /** The first row, and how many. */
  readonly row: number;
  readonly rows: number;
  /** The first group, and the one after the last. */
  readonly start: number;
  readonly end: number;
  readonly values: number;
}

/** As many rows at a time as have room. False where there is none for a single row. */
function inMemory(
  { values, columns, size }: reference.RowGroups,
  use: (place: PlacedRows, floats: (place: number, length: number) => Float32Array) => void,
): boolean {
  const groupCount = Math.ceil(columns / size);
  const most = Math.min(
    Math.floor(TILE_BYTE_LENGTH / (4 * columns)),
    Math.floor(SCRATCH_BYTE_LENGTH / (4 * groupCount)),
  );
  if (!(most > 0)) return false;
  const { buffer } = kernelMemory();
  const floats = (place: number, length: number): Float32Array => new Float32Array(buffer, place, length);
  const own = kernelAddress(values);
  const rowCount = values.length / columns;
  for (let row = 0; row < rowCount; row += most) {
    const rows = Math.min(most, rowCount - row);
    const [first, last] = [row * columns, (row + rows) * columns];
    if (own === undefined) floats(tileOffset(0), last - first).set(values.subarray(first, last));
    const place = own === undefined ? tileOffset(0) : own + 4 * first;
    use({ row, rows, start: row * groupCount, end: (row + rows) * groupCount, values: place }, floats);
  }
  return true;
}

function searchSteps(steps: reference.RowSteps, rules: StepRules): void {
  const kernel = coreKernels.kernel("searchSteps");
  const { columns, size, importance, scales, zeros } = steps;
  const places = {
    importance: tileOffset(1),
    tables: tileOffset(2),
    scales: scratchOffset(0),
    zeros: scratchOffset(1),
  };
  const common = {
    ...places,
    columns,
    size,
    maxCode: rules.maxCode,
    minZero: rules.minZero,
    symmetric: rules.symmetric ? 1 : 0,
    scaleType: SCALE_TYPES[rules.scale],
  };
  const isDone =
    kernel !== undefined &&
    inMemory(steps, ({ row, rows, start, end, values }, floats) => {
      if (row === 0) {
        floats(places.importance, columns).set(importance);
        floats(places.tables, 7 * CANDIDATES).set(candidateTables(rules.symmetric));
      }
      floats(places.scales, end - start).set(scales.subarray(start, end));
      floats(places.zeros, end - start).set(zeros.subarray(start, end));
      kernel(placeSearch({ ...common, values, rows }));
      scales.set(floats(places.scales, end - start), start);
      zeros.set(floats(places.zeros, end - start), start);
    });
  if (!isDone) reference.searchSteps(steps, rules);
}

/** The fields of the class `RoundedRows` in assembly/nearest-codes.ts. */
interface RoundedRows {
  readonly values: number;
  readonly rows: number;
  readonly columns: number;
  readonly size: number;
  readonly first: number;
  readonly second: number;
  readonly maxCode: number;
  readonly codes: number;
}

const placeGroups = /* @__PURE__ */ descriptor(
  ({ values, rows, columns, size, first, second, maxCode, codes }: RoundedRows) => [
    values,
    rows,
    columns,
    size,
    first,
    second,
    maxCode,
    codes,
  ],
);

/** Of the two numbers of each group. */
const first = /* @__PURE__ */ scratchOffset(0);
const second = /* @__PURE__ */ scratchOffset(1);

function findRanges(groups: reference.RowGroups, ranges: reference.GroupRanges): void {
  const kernel = coreKernels.kernel("groupRanges");
  const { columns, size } = groups;
  const isDone =
    kernel !== undefined &&
    inMemory(groups, ({ rows, start, end, values }, floats) => {
      kernel(placeGroups({ values, rows, columns, size, first, second, maxCode: 0, codes: 0 }));
      ranges.least.set(floats(first, end - start), start);
      ranges.most.set(floats(second, end - start), start);
    });
  if (!isDone) reference.findRanges(groups, ranges);
}

function chooseCodes(
  steps: Omit<reference.RowSteps, "importance">,
  maxCode: number,
  codes: Uint8Array,
): void {
  const kernel = coreKernels.kernel("nearestCodes");
  const { columns, size, scales, zeros } = steps;
  const isDone =
    kernel !== undefined &&
    inMemory(steps, ({ row, rows, start, end, values }, floats) => {
      floats(first, end - start).set(scales.subarray(start, end));
      floats(second, end - start).set(zeros.subarray(start, end));
      const made = tileOffset(1);
      kernel(placeGroups({ values, rows, columns, size, first, second, maxCode, codes: made }));
      codes.set(new Uint8Array(kernelMemory().buffer, made, rows * columns), row * columns);
    });
  if (!isDone) reference.chooseCodes(steps, maxCode, codes);
}

const tools: reference.QuantizeTools = { search: searchSteps, findRanges, chooseCodes };

/** What the reference computes for each candidate: shares, factors, differences of zero points. */
function candidateTables(symmetric: boolean): number[] {
  const sixteen = Array.from({ length: CANDIDATES }, (_, i) => i);
  const coarse = Array.from({ length: COARSE_ROUNDS }, (_, round) =>
    sixteen.map((i) => coarseShare(round, i, symmetric)),
  );
  const fine = Array.from({ length: FINE_ROUNDS }, (_, round) => sixteen.map((i) => fineFactor(round, i)));
  return [...coarse.flat(), ...fine.flat(), ...sixteen.map(fineZero)];
}
