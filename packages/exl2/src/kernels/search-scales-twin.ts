/** The SIMD twin of `search-scales.ts`: a kernel tries the shares of many rows in one call. */
import { descriptor, kernelMemory } from "@requant/core/kernels";
import * as reference from "../search-scales.ts";
import { kernels } from "./module.ts";
import { placeGroup, placeRow } from "./place-rows.ts";

/** As the reference, with the kernel. */
export function searchScales(group: reference.GroupWeights, nibbles: Uint8Array): number | undefined {
  return reference.searchScales(group, nibbles, bestShares);
}

/** As the reference, with the kernel. */
export function chooseMaximum(
  group: reference.GroupWeights,
  sample: Pick<reference.SharesWanted, "rows" | "steps">,
  largest: number,
): number | undefined {
  return reference.chooseMaximum(group, sample, largest, bestShares);
}

/** As the reference, with the kernel. */
export function chooseShares(
  group: reference.GroupWeights,
  steps: Float32Array,
  maximum: number,
  nibbles: Uint8Array,
): void {
  reference.chooseShares(group, steps, maximum, nibbles, bestShares);
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

const bestShares: reference.BestShares = (group, wanted, nibbles) => {
  const kernel = kernels.kernel("bestShares");
  const { size, bits, importance } = group;
  const { rows, steps, scales } = wanted;
  const place = kernel === undefined ? undefined : placeGroup(group);
  if (kernel === undefined || place === undefined) return reference.bestShares(group, wanted, nibbles);
  const { buffer } = kernelMemory();
  const { least, most } = reference.triedShares(bits);
  const values = new Float32Array(buffer, place.values, place.rows * size);
  const numbers = new Float32Array(buffer, place.numbers, place.rows);
  new Float32Array(buffer, place.scales, scales.length).set(scales);
  const common = {
    ...{ values: place.values, steps: place.numbers, nibbles: place.made, scales: place.scales },
    ...{ size, zero: 2 ** (bits - 1), importance: importance === undefined ? 0 : place.importance },
  };
  let sum = 0;
  for (let first = 0; first < rows.length; first += place.rows) {
    const count = Math.min(place.rows, rows.length - first);
    for (let i = 0; i < count; i++) {
      const row = rows[first + i]!;
      placeRow(group, row, values, i * size);
      numbers[i] = steps[row]!;
    }
    sum = kernel(placeShares({ ...common, rows: count }), least, most, sum);
    nibbles.set(new Uint8Array(buffer, place.made, count), first);
  }
  return sum;
};
