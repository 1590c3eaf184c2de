/** The SIMD twin of `roundCodes` in `choose-codes.ts`: a kernel rounds many rows in one call. */
import { descriptor, kernelMemory } from "@requant/core/kernels";
import * as reference from "../choose-codes.ts";
import type { GroupWeights } from "../search-scales.ts";
import { kernels } from "./module.ts";
import { placeGroup, placeRow } from "./place-rows.ts";

/** The fields of the class `CodedRows` in assembly/choose-codes.ts. */
interface CodedRows {
  readonly values: number;
  readonly rows: number;
  readonly size: number;
  readonly importance: number;
  readonly scales: number;
  readonly zero: number;
  readonly codes: number;
}

const placeCodes = /* @__PURE__ */ descriptor(
  ({ values, rows, size, importance, scales, zero, codes }: CodedRows) => [
    values,
    rows,
    size,
    importance,
    scales,
    zero,
    codes,
  ],
);

/** As the reference, with the kernel. */
export function roundCodes(group: GroupWeights, scales: Float32Array, codes: Uint8Array): number {
  const kernel = kernels.kernel("roundCodes");
  const { rows, width, start, size, bits } = group;
  const place = kernel === undefined || size % 4 !== 0 ? undefined : placeGroup(group);
  if (kernel === undefined || place === undefined) return reference.roundCodes(group, scales, codes);
  const { buffer } = kernelMemory();
  const values = new Float32Array(buffer, place.values, place.rows * size);
  const made = new Uint8Array(buffer, place.made, place.rows * size);
  const common = {
    ...{ values: place.values, importance: place.importance, scales: place.numbers, codes: place.made },
    ...{ size, zero: 2 ** (bits - 1) },
  };
  let sum = 0;
  for (let first = 0; first < rows; first += place.rows) {
    const count = Math.min(place.rows, rows - first);
    for (let i = 0; i < count; i++) placeRow(group, first + i, values, i * size);
    new Float32Array(buffer, place.numbers, count).set(scales.subarray(first, first + count));
    sum = kernel(placeCodes({ ...common, rows: count }), sum);
    for (let i = 0, at = 0; i < count; i++) {
      const to = (first + i) * width + start;
      for (let column = 0; column < size; column++, at++) codes[to + column] = made[at]!;
    }
  }
  return sum;
}
