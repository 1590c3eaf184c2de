/** The SIMD twin of `quantizeView`: the kernel searches the steps of many groups in one call. */
import {
  CANDIDATES,
  COARSE_ROUNDS,
  coarseShare,
  FINE_ROUNDS,
  fineFactor,
  fineZero,
} from "../view/grid-search.ts";
import type { IntegerView } from "../view/integer-view.ts";
import * as reference from "../view/quantize.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";

/** As the reference, with the kernel. @throws ConversionError for weights that are not finite, or too large */
export function quantizeView(
  values: Float32Array,
  rows: number,
  columns: number,
  options: reference.QuantizeViewOptions,
): IntegerView {
  return reference.quantizeView(values, rows, columns, options, searchSteps);
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

const searchSteps: reference.SearchSteps = (steps, rules) => {
  const kernel = coreKernels.kernel("searchSteps");
  const { values, columns, size, importance, scales, zeros } = steps;
  const groupCount = Math.ceil(columns / size);
  const most = Math.min(
    Math.floor(TILE_BYTE_LENGTH / (4 * columns)),
    Math.floor(SCRATCH_BYTE_LENGTH / (4 * groupCount)),
  );
  if (kernel === undefined || !(most > 0)) {
    reference.searchSteps(steps, rules);
    return;
  }
  const { buffer } = kernelMemory();
  const floats = (place: number, length: number): Float32Array => new Float32Array(buffer, place, length);
  const places = {
    values: tileOffset(0),
    importance: tileOffset(1),
    tables: tileOffset(2),
    scales: scratchOffset(0),
    zeros: scratchOffset(1),
  };
  floats(places.importance, columns).set(importance);
  floats(places.tables, 7 * CANDIDATES).set(candidateTables(rules.symmetric));
  const common = {
    ...places,
    columns,
    size,
    maxCode: rules.maxCode,
    minZero: rules.minZero,
    symmetric: rules.symmetric ? 1 : 0,
    scaleType: SCALE_TYPES[rules.scale],
  };
  const rowCount = values.length / columns;
  for (let row = 0; row < rowCount; row += most) {
    const rows = Math.min(most, rowCount - row);
    const [start, end] = [row * groupCount, (row + rows) * groupCount];
    floats(places.values, rows * columns).set(values.subarray(row * columns, (row + rows) * columns));
    floats(places.scales, end - start).set(scales.subarray(start, end));
    floats(places.zeros, end - start).set(zeros.subarray(start, end));
    kernel(placeSearch({ ...common, rows }));
    scales.set(floats(places.scales, end - start), start);
    zeros.set(floats(places.zeros, end - start), start);
  }
};

/** What the reference computes for each candidate: shares, factors, differences of zero points. */
function candidateTables(symmetric: boolean): number[] {
  const sixteen = Array.from({ length: CANDIDATES }, (_, i) => i);
  const coarse = Array.from({ length: COARSE_ROUNDS }, (_, round) =>
    sixteen.map((i) => coarseShare(round, i, symmetric)),
  );
  const fine = Array.from({ length: FINE_ROUNDS }, (_, round) => sixteen.map((i) => fineFactor(round, i)));
  return [...coarse.flat(), ...fine.flat(), ...sixteen.map(fineZero)];
}
