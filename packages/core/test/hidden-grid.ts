/** Test support: floats on known grids, and the search over them. */
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { bfloatToFloat, floatToBfloat } from "../src/numeric/bfloat.ts";
import { floatToHalf, halfToFloat } from "../src/numeric/half.ts";
import type { GridSearch } from "../src/view/find-hidden-grid.ts";
import { type FoundGrid, PROBE_ROWS } from "../src/view/find-hidden-grid.ts";
import type { HidingType } from "../src/view/hidden-grid.ts";

export const random = randomNumbers(seed);

const ROUNDINGS: Readonly<Record<HidingType, (value: number) => number>> = {
  F32: Math.fround,
  BF16: (value) => bfloatToFloat(floatToBfloat(value)),
  F16: (value) => halfToFloat(floatToHalf(value)),
};

/** Rounded as ggml rounds, which the tests of these conversions show: the search has a rounding of its own. */
export function roundedTo(type: HidingType, value: number): number {
  return ROUNDINGS[type](value);
}

/** Normally distributed. */
export function gaussian(): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

export interface GridOf {
  readonly bits: number;
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scale: HidingType;
  readonly type: HidingType;
}

/** Every code occurs in most groups; scales are of a natural size. */
export function onGrid(rows: number, columns: number, grid: GridOf): Float32Array {
  const { bits, groupSize, symmetric, scale: scaleType, type } = grid;
  const size = groupSize === -1 ? columns : groupSize;
  const values = new Float32Array(rows * columns);
  for (let start = 0; start < values.length; start += size) {
    const scale = roundedTo(scaleType, (0.2 + random()) * 0.1 * 2 ** -bits);
    const zero = symmetric ? 2 ** (bits - 1) : Math.floor(random() * 2 ** bits);
    for (let i = start; i < start + size; i++) {
      values[i] = roundedTo(type, Math.fround(scale * (Math.floor(random() * 2 ** bits) - zero)));
    }
  }
  return values;
}

export interface Searched {
  readonly found: FoundGrid | undefined;
  readonly passes: number;
}

/** All passes over the rows of one tensor. */
export function searched(search: GridSearch, values: Float32Array, columns: number): Searched {
  let passes = 0;
  if (!search.probe(values.subarray(0, PROBE_ROWS * columns))) return { found: undefined, passes };
  while (search.begin()) {
    passes++;
    const band = Math.max(16, search.bandMultiple) * columns;
    for (let at = 0; at < values.length; at += band) {
      if (!search.add(values.subarray(at, at + band))) break;
    }
    const found = search.end();
    if (found !== "again") return { found, passes };
  }
  return { found: undefined, passes };
}
