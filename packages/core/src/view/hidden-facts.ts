/** What all groups of a hidden grid have in common: its width, and what decides whether another layout holds it. */
import { isHalf, type ViewFacts } from "./facts.ts";
import { FIT_LENGTH, HOW } from "./hidden-fits.ts";
import type { HiddenGrid } from "./hidden-grid.ts";
import { ScaleKinds } from "./hidden-scale.ts";
import { BLOCK_SIZES } from "./shared-blocks.ts";
import { REACH } from "./table-facts.ts";

/** Bits of codes around the middle of their range that hold levels from `min` to `max`. */
export function symmetricBits(min: number, max: number): number {
  return bitsOfReach(Math.max(max, -1 - min));
}

function bitsOfReach(reach: number): number {
  return Math.max(2, 1 + 32 - Math.clz32(reach));
}

/** Bits of codes with a zero point of their own. */
function bitsOfSpan(span: number): number {
  return Math.max(2, 32 - Math.clz32(span));
}

/**
 * Places of the numbers that a kernel writes about the fits of some groups (assembly/sum-fits.ts): the extremes of all of
 * them, and 1 or 0 for what holds for all or not. −1: the kernel does not tell whether all offsets are f16 numbers.
 */
const SUM = {
  exact: 0,
  leastScale: 1,
  mostScale: 2,
  min: 3,
  mostMin: 4,
  max: 5,
  nonzero: 6,
  span: 7,
  evenReach: 8,
  haveHalfBits: 9,
  haveBfloatBits: 10,
  arePowers: 11,
  offsetsAreHalf: 12,
} as const;

/** How many numbers these are. */
export const SUM_LENGTH = 13;

/** Sums up the groups of a tensor. */
export class GroupsSeen {
  groups = 0;
  /** Floats that are not 0. */
  nonzero = 0;
  exact = true;
  readonly scales: ScaleKinds = new ScaleKinds();
  /** The largest level of the groups whose smallest level is as far from 0. */
  private evenReach = 0;
  /** The largest distance between two levels of a group. */
  private span = 0;
  private min = 0;
  private max = 0;
  /** The largest of the smallest levels of all groups. */
  private mostMin = Number.NEGATIVE_INFINITY;
  private offsetsAreHalf = true;

  /** Takes the fits of some groups. A group rarely changes an extreme, which processors count on. */
  add(fits: Float64Array, count: number): void {
    let { nonzero, exact, evenReach, span, min, max, mostMin, offsetsAreHalf } = this;
    for (let i = 0, at = 0; i < count; i++, at += FIT_LENGTH) {
      const scale = fits[at + 1]!;
      const low = fits[at + 2]!;
      const high = fits[at + 3]!;
      if (fits[at] !== HOW.exact) exact = false;
      nonzero += fits[at + 4]!;
      this.scales.add(scale);
      if (high > evenReach && high === -low) evenReach = high;
      if (high - low > span) span = high - low;
      if (low < min) min = low;
      if (high > max) max = high;
      if (low > mostMin) mostMin = low;
      if (offsetsAreHalf && !isHalf(scale * low)) offsetsAreHalf = false;
    }
    this.groups += count;
    Object.assign(this, { nonzero, exact, evenReach, span, min, max, mostMin, offsetsAreHalf });
  }

  /** Takes what a kernel found in the fits of some groups. False: nothing was taken, and `add` must look at each fit. */
  takeSums(sums: Float64Array, count: number): boolean {
    const { scales } = this;
    const [least, most] = [sums[SUM.leastScale]!, sums[SUM.mostScale]!];
    // zeros and subnormal numbers have other bits
    const isUsual =
      least >= (scales.areHalf ? 2 ** -14 : 2 ** -126) && most < (scales.areHalf ? 65536 : 2 ** 127);
    if (!isUsual || (this.offsetsAreHalf && sums[SUM.offsetsAreHalf]! < 0)) return false;
    if (sums[SUM.exact] === 0) this.exact = false;
    if (sums[SUM.haveHalfBits] === 0) scales.areHalf = false;
    if (sums[SUM.haveBfloatBits] === 0) scales.areBfloat = false;
    if (sums[SUM.arePowers] === 0) scales.arePowers = false;
    if (sums[SUM.offsetsAreHalf] === 0) this.offsetsAreHalf = false;
    this.min = Math.min(this.min, sums[SUM.min]!);
    this.mostMin = Math.max(this.mostMin, sums[SUM.mostMin]!);
    this.max = Math.max(this.max, sums[SUM.max]!);
    this.span = Math.max(this.span, sums[SUM.span]!);
    this.evenReach = Math.max(this.evenReach, sums[SUM.evenReach]!);
    this.nonzero += sums[SUM.nonzero]!;
    this.groups += count;
    return true;
  }

  /** The largest level, or −1 less the smallest one: with the sign of each scale as it is. */
  private get plainReach(): number {
    return Math.max(this.max, -1 - this.min);
  }

  /** With the better sign of each scale: the level that is further from 0 becomes the negative one. */
  private get symmetricReach(): number {
    return Math.max(this.evenReach, this.max - 1, -1 - this.min);
  }

  /** The narrowest codes that hold every group; symmetric ones where they are no wider. */
  get width(): Pick<HiddenGrid, "bits" | "symmetric"> {
    const [symmetricBits, spanBits] = [bitsOfReach(this.symmetricReach), bitsOfSpan(this.span)];
    const symmetric = symmetricBits <= spanBits;
    return { symmetric, bits: symmetric ? symmetricBits : spanBits };
  }

  /** Facts of a grid. Where a scale turns its sign, its levels do, too. */
  facts(rows: number, columns: number, grid: HiddenGrid): ViewFacts {
    const groupSize = grid.blockColumns === -1 ? columns : grid.blockColumns;
    const codes = grid.levels === "integer" ? this.integerCodes() : levelCodes(grid.levels);
    const oneZero = codes.minZero === codes.maxZero;
    return {
      rows,
      columns,
      groupCount: Math.ceil(columns / groupSize),
      groupSize,
      scattered: false,
      scaleBlockSize: sharedBlock(groupSize, columns),
      zeroBlockSize: sharedBlock(oneZero ? columns : groupSize, columns),
      ...codes,
      scalesAreHalf: this.scales.areHalf,
      scalesAreBfloat: this.scales.areBfloat,
      storedOffsets: "integer",
      ...(grid.levels === "integer" ? {} : { table: grid.levels }),
      ...scaleTypeOf(grid),
      ...(grid.blockRows > 1 ? { scaleRows: grid.blockRows } : {}),
      ...ROUNDINGS[grid.rounding],
    };
  }

  private integerCodes(): CodeFacts {
    const { bits, symmetric } = this.width;
    const turns = symmetric && bitsOfReach(this.plainReach) > bits;
    const middle = 2 ** (bits - 1);
    const most = Math.max(this.max, -this.min);
    return {
      maxCode: 2 ** bits - 1,
      minZero: symmetric ? middle : 0 - this.mostMin,
      maxZero: symmetric ? middle : 0 - this.min,
      minOffset: turns ? Math.max(-most, -middle) : this.min,
      maxOffset: turns ? Math.min(most, middle - 1) : this.max,
      symmetric,
      hasNegativeScales: turns,
      offsetsAreHalf: symmetric ? this.scales.areHalf : this.offsetsAreHalf,
    };
  }
}

type CodeFacts = Pick<
  ViewFacts,
  | "maxCode"
  | "minZero"
  | "maxZero"
  | "minOffset"
  | "maxOffset"
  | "symmetric"
  | "hasNegativeScales"
  | "offsetsAreHalf"
>;

/** The levels of a table, counted in its steps. */
function levelCodes(table: "E2M1" | "E4M3"): CodeFacts {
  const most = REACH[table];
  return {
    maxCode: 2 * most,
    minZero: most,
    maxZero: most,
    minOffset: -most,
    maxOffset: most,
    symmetric: false,
    hasNegativeScales: false,
    offsetsAreHalf: false,
  };
}

/** With a factor of its own the tensor's scales are no such numbers, but their products with it. */
function scaleTypeOf({ scale, factor = 1 }: HiddenGrid): Pick<ViewFacts, "scaleType"> {
  return (scale === "E8M0" || scale === "E4M3") && factor === 1 ? { scaleType: scale } : {};
}

const ROUNDINGS: Readonly<Record<HiddenGrid["rounding"], Pick<ViewFacts, "rounding" | "storedValues">>> = {
  none: { rounding: "none" },
  F16: { rounding: "f16" },
  BF16: { rounding: "none", storedValues: "BF16" },
  // what any reader computes in f32
  F32: { rounding: "none" },
};

function sharedBlock(groupSize: number, columns: number): number {
  const shares = (size: number): boolean =>
    columns % size === 0 && (groupSize >= columns || groupSize % size === 0);
  return BLOCK_SIZES.find(shares) ?? 1;
}
