/** The SIMD twins of `GridSearch` and `gridView`: the kernel finds the steps of many groups of integers in one call. */
import { GridSearch as ReferenceSearch } from "../view/find-hidden-grid.ts";
import type { HiddenGrid, HidingType } from "../view/hidden-grid.ts";
import {
  type FitRows,
  type IntegerFit,
  integerFit,
  integerRows,
  isNarrow,
  withStorableScale,
} from "../view/hidden-scale.ts";
import { type GroupFit, ZERO_FIT } from "../view/hidden-step.ts";
import * as reference from "../view/hidden-view.ts";
import type { StoredView } from "../view/level-view.ts";
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
import type { Kernel } from "./module.ts";

/** As the reference, with the kernel. */
export class GridSearch extends ReferenceSearch {
  constructor(rows: number, columns: number, type: HidingType) {
    super(rows, columns, type, integersInKernel);
  }
}

/** As the reference, with the kernel. @throws UsageError for floats that are not on the grid */
export function gridView(
  values: Float32Array,
  columns: number,
  type: HidingType,
  grid: HiddenGrid,
): StoredView {
  return reference.gridView(values, columns, type, grid, integersInKernel);
}

/** The fields of the class `HiddenGroups` in assembly/hidden-step.ts. */
interface HiddenGroups {
  readonly values: number;
  readonly count: number;
  readonly length: number;
  readonly dropped: number;
  readonly leastNormal: number;
  readonly out: number;
}

const placeGroups = /* @__PURE__ */ descriptor(
  ({ values, count, length, dropped, leastNormal, out }: HiddenGroups) => [
    values,
    count,
    length,
    dropped,
    leastNormal,
    out,
  ],
);

/** Bits that an f32 has more, and the bits of the smallest normal number as an f32. */
const TYPES: Readonly<Record<HidingType, { readonly dropped: number; readonly leastNormal: number }>> = {
  F32: { dropped: 0, leastNormal: 0x00800000 },
  BF16: { dropped: 16, leastNormal: 0x00800000 },
  F16: { dropped: 13, leastNormal: 0x38800000 },
};

/** Numbers that the kernel writes for each group: how it fits, scale, lowest and highest level, floats that are not 0. */
const FIT_LENGTH = 5;
const MOST_GROUPS = Math.floor(SCRATCH_BYTE_LENGTH / (8 * FIT_LENGTH));
const LEFT = 0;
const EXACT = 1;

export const integersInKernel: IntegerFit = (type) => {
  const kernel = coreKernels.kernel("fitHiddenGroups");
  if (kernel === undefined) return integerRows(type);
  const one = integerFit(type);
  return (values, columns, blocks, take) => {
    const length = blocks.blockColumns === -1 ? columns : blocks.blockColumns;
    const perCall = Math.min(MOST_GROUPS, Math.floor(TILE_BYTE_LENGTH / (4 * length)));
    // groups that lie one after another, in whole vectors
    if (columns % length !== 0 || length % 4 !== 0 || perCall === 0) {
      return integerRows(type)(values, columns, blocks, take);
    }
    const call = { kernel, type, length, perCall, one };
    return fitInKernel(call, values, take);
  };
};

interface KernelCall {
  readonly kernel: Kernel;
  readonly type: HidingType;
  readonly length: number;
  readonly perCall: number;
  /** For groups that the kernel leaves to the reference. */
  readonly one: ReturnType<typeof integerFit>;
}

function fitInKernel(
  { kernel, type, length, perCall, one }: KernelCall,
  values: Float32Array,
  take: Parameters<FitRows>[3],
): boolean {
  const inside = kernelAddress(values);
  const out = scratchOffset(1);
  const { buffer } = kernelMemory();
  const fits = new Float64Array(buffer, out, FIT_LENGTH * MOST_GROUPS);
  const own = { values, start: 0, length, runs: 1, step: length };
  const read = { scale: 0, min: 0, max: 0, exact: true, nonzero: 0 };
  for (let start = 0; start < values.length; start += perCall * length) {
    const some = values.subarray(start, start + perCall * length);
    const count = some.length / length;
    const place = inside === undefined ? tileOffset(0) : inside + 4 * start;
    if (inside === undefined) new Float32Array(buffer, place, some.length).set(some);
    for (let first = 0; first < count; ) {
      const left = { values: place + 4 * length * first, count: count - first, length };
      const done = kernel(placeGroups({ ...left, ...TYPES[type], out }));
      for (let group = 0; group < done; group++) {
        own.start = start + (first + group) * length;
        const at = FIT_LENGTH * group;
        const fit = fits[at] === LEFT ? one(own) : readFit(fits, at, read);
        if (fit === undefined) return false;
        take(fit, own);
      }
      first += done;
    }
  }
  return true;
}

/** One object holds the fits of all groups, one after another: there are millions. */
function readFit(
  fits: Float64Array,
  at: number,
  read: { -readonly [Key in keyof GroupFit]: GroupFit[Key] },
): GroupFit | undefined {
  read.scale = fits[at + 1]!;
  if (read.scale === 0) return ZERO_FIT;
  read.exact = fits[at] === EXACT;
  // no level is −0
  read.min = fits[at + 2]! + 0;
  read.max = fits[at + 3]! + 0;
  read.nonzero = fits[at + 4]!;
  if (!isNarrow(read)) return undefined;
  return read.exact ? withStorableScale(read) : read;
}
