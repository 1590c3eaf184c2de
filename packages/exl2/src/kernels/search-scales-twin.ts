/** The SIMD twin of `search-scales.ts`: a kernel tries the shares of many rows in one call. */
import {
  descriptor,
  type KernelModule,
  kernelMemory,
  kernelModule,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "@requant/core/kernels";
import { wasm } from "../generated/kernels.ts";
import * as reference from "../search-scales.ts";

const kernels: KernelModule = /* @__PURE__ */ kernelModule(wasm);

/** As the reference, with the kernel. */
export function searchScales(group: reference.GroupWeights, nibbles: Uint8Array): number | undefined {
  return reference.searchScales(group, nibbles, bestShares);
}

/** The fields of the class `SharedRows` in assembly/search-scales.ts. */
interface SharedRows {
  readonly values: number;
  readonly rows: number;
  readonly size: number;
  readonly importance: number;
  readonly steps: number;
  readonly scales: number;
  readonly zero: number;
  readonly nibbles: number;
}

const placeShares = /* @__PURE__ */ descriptor(
  ({ values, rows, size, importance, steps, scales, zero, nibbles }: SharedRows) => [
    values,
    rows,
    size,
    importance,
    steps,
    scales,
    zero,
    nibbles,
  ],
);

/** Rows whose numbers, one f32 and one byte each, lie beside the scales and the importance in a tile. */
const MOST_ROWS = 16_384;
/** Columns of a group whose importance fits the rest of the tile. */
const MOST_COLUMNS = 4096;

const bestShares: reference.BestShares = (group, wanted, nibbles) => {
  const kernel = kernels.kernel("bestShares");
  const { values, width, start, size, bits, importance } = group;
  const { rows, steps, scales } = wanted;
  const step = Math.min(MOST_ROWS, Math.floor(TILE_BYTE_LENGTH / (4 * size)));
  if (kernel === undefined || !(step > 0) || size > MOST_COLUMNS)
    return reference.bestShares(group, wanted, nibbles);
  const { buffer } = kernelMemory();
  const floats = (place: number, length: number): Float32Array => new Float32Array(buffer, place, length);
  const { least, most } = reference.triedShares(bits);
  const [valuesAt, stepsAt, nibblesAt] = [tileOffset(0), tileOffset(1), tileOffset(2)];
  const scalesAt = stepsAt + 4 * MOST_ROWS;
  const importanceAt = scalesAt + 4 * scales.length;
  floats(scalesAt, scales.length).set(scales);
  if (importance !== undefined) floats(importanceAt, size).set(importance.subarray(start, start + size));
  const common = {
    ...{ values: valuesAt, steps: stepsAt, nibbles: nibblesAt, scales: scalesAt },
    ...{ size, zero: 2 ** (bits - 1), importance: importance === undefined ? 0 : importanceAt },
  };
  let sum = 0;
  for (let first = 0; first < rows.length; first += step) {
    const count = Math.min(step, rows.length - first);
    const placed = floats(valuesAt, count * size);
    const placedSteps = floats(stepsAt, count);
    for (let i = 0; i < count; i++) {
      const row = rows[first + i]!;
      const from = row * width + start;
      placed.set(values.subarray(from, from + size), i * size);
      placedSteps[i] = steps[row]!;
    }
    sum = kernel(placeShares({ ...common, rows: count }), least, most, sum);
    nibbles.set(new Uint8Array(buffer, nibblesAt, count), first);
  }
  return sum;
};
