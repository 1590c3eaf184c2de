/** Groups of floats that lie one after another, fitted by a kernel, many in one call. */
import { isHalf } from "../view/facts.ts";
import { FIT_LENGTH, HOW, readFit, writeFit } from "../view/hidden-fits.ts";
import type { HidingType } from "../view/hidden-grid.ts";
import { type FitGroup, type FitRows, type Group, rowsFit, type TakeFits } from "../view/hidden-scale.ts";
import type { GroupFit } from "../view/hidden-step.ts";
import { descriptor } from "./descriptor.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";
import type { Kernel } from "./module.ts";

/** The fields of the class `HiddenGroups` in assembly/hidden-groups.ts. */
interface HiddenGroups {
  readonly values: number;
  readonly count: number;
  readonly length: number;
  /** Bits that an f32 has more than the floats' type, and the type's smallest normal number, as bits of an f32. */
  readonly dropped: number;
  readonly leastNormal: number;
  readonly out: number;
  readonly factor: number;
  readonly isBounded: number;
}

const placeGroups = /* @__PURE__ */ descriptor(
  ({ values, count, length, dropped, leastNormal, out, factor, isBounded }: HiddenGroups) => [
    values,
    count,
    length,
    dropped,
    leastNormal,
    out,
    factor,
    isBounded,
  ],
);

const TYPES: Readonly<Record<HidingType, Pick<HiddenGroups, "dropped" | "leastNormal">>> = {
  F32: { dropped: 0, leastNormal: 0x00800000 },
  BF16: { dropped: 16, leastNormal: 0x00800000 },
  F16: { dropped: 13, leastNormal: 0x38800000 },
};

const MOST_GROUPS = Math.floor(SCRATCH_BYTE_LENGTH / (8 * FIT_LENGTH));

/** A kernel, and the reference for the groups that it leaves. */
export interface GroupKernel {
  readonly type: HidingType;
  /** Fits groups, writes their fits and returns how many; it may stop after a group that it leaves. */
  readonly kernel: Kernel;
  readonly reference: FitGroup;
  /** What is still to be done to an exact fit whose scale is no f16 number. */
  readonly finish?: (fit: GroupFit) => GroupFit;
  /** Lengths of groups are multiples of this. */
  readonly multiple: number;
  /** Of NVFP4: the tensor's factor as bits of an f32, and 1 where the scales are E4M3 numbers. */
  readonly factor?: number;
  readonly isBounded?: number;
}

export function rowsInKernel(own: GroupKernel): FitRows {
  const inReference = rowsFit(own.reference);
  return (values, columns, blocks, take) => {
    const length = blocks.blockColumns === -1 ? columns : blocks.blockColumns;
    const perCall = Math.min(MOST_GROUPS, Math.floor(TILE_BYTE_LENGTH / (4 * length)));
    const isWhole = columns % length === 0 && length % own.multiple === 0;
    if (!isWhole || perCall === 0) return inReference(values, columns, blocks, take);
    return fitAll(own, values, { length, perCall }, take);
  };
}

function fitAll(
  own: GroupKernel,
  values: Float32Array,
  { length, perCall }: { readonly length: number; readonly perCall: number },
  take: TakeFits,
): boolean {
  const { type, kernel, factor = 0, isBounded = 0 } = own;
  const inside = kernelAddress(values);
  const out = scratchOffset(1);
  const { buffer } = kernelMemory();
  const fits = new Float64Array(buffer, out, FIT_LENGTH * MOST_GROUPS);
  const step = perCall * length;
  for (let start = 0; start < values.length; start += step) {
    const some = values.subarray(start, start + step);
    const count = some.length / length;
    const place = inside === undefined ? tileOffset(0) : inside + 4 * start;
    if (inside === undefined) new Float32Array(buffer, place, some.length).set(some);
    for (let first = 0; first < count; ) {
      const from = { values: place + 4 * length * first, count: count - first, length };
      const done = kernel(placeGroups({ ...from, ...TYPES[type], out, factor, isBounded }));
      const fitted = complete(fits, done, own, (group) => ({
        values,
        start: start + (first + group) * length,
        length,
        runs: 1,
        step: length,
      }));
      take(fits, fitted);
      if (fitted < done) return false;
      first += done;
    }
  }
  return true;
}

/** Does what the kernel leaves to do. Returns how many groups fit before one does not. */
function complete(
  fits: Float64Array,
  count: number,
  { finish, reference }: GroupKernel,
  groupAt: (index: number) => Group,
): number {
  for (let index = 0, at = 0; index < count; index++, at += FIT_LENGTH) {
    if (fits[at] === HOW.left) {
      const found = reference(groupAt(index));
      if (found === undefined) return index;
      writeFit(fits, index, found);
    } else if (finish !== undefined && fits[at] === HOW.exact && !isHalf(fits[at + 1]!)) {
      writeFit(fits, index, finish(readFit(fits, index)));
    }
  }
  return count;
}
