/** Scales of groups of floats whose levels are integers. */
import { isBfloat, isHalf } from "./facts.ts";
import { FIT_LENGTH, writeFit } from "./hidden-fits.ts";
import type { HiddenGrid, HidingType } from "./hidden-grid.ts";
import {
  checkScale,
  exactStep,
  type GroupFit,
  Magnitudes,
  MOST_STEPS,
  type NearestLevel,
  narrowScale,
  narrowStep,
  nearestBounds,
  nearestInteger,
  roundedTo,
  type ScaleBounds,
} from "./hidden-step.ts";
import { possibleBounds } from "./possible-bounds.ts";

/** The floats of one group: runs of one row, or of several. */
export interface Group {
  readonly values: Float32Array;
  /** First float of the first run. */
  readonly start: number;
  /** Floats of a run. */
  readonly length: number;
  readonly runs: number;
  /** From the start of one run to that of the next. */
  readonly step: number;
}

/** The groups of some whole rows. The last of a row may be short, and so may be the last block of rows. */
export function* groupsOf(
  values: Float32Array,
  columns: number,
  { blockRows, blockColumns }: Pick<HiddenGrid, "blockRows" | "blockColumns">,
): Generator<Group> {
  const rows = values.length / columns;
  const size = blockColumns === -1 ? columns : blockColumns;
  for (let row = 0; row < rows; row += blockRows) {
    const runs = Math.min(blockRows, rows - row);
    for (let column = 0; column < columns; column += size) {
      const start = row * columns + column;
      yield { values, start, length: Math.min(size, columns - column), runs, step: columns };
    }
  }
}

/** Finds the scale of a group; undefined where it has none. */
export type FitGroup = (group: Group) => GroupFit | undefined;

/** Takes the fits of the next groups in order (hidden-fits.ts). They are valid until it returns. */
export type TakeFits = (fits: Float64Array, count: number) => void;

/** Fits each group of some whole rows in order. False: one does not fit, and those after it were not looked at. */
export type FitRows = (
  values: Float32Array,
  columns: number,
  blocks: Pick<HiddenGrid, "blockRows" | "blockColumns">,
  take: TakeFits,
) => boolean;

/** Groups whose fits are taken together. */
const MOST_FITS = 64;

/** One group after another. */
export function rowsFit(fit: FitGroup): FitRows {
  const fits = new Float64Array(FIT_LENGTH * MOST_FITS);
  return (values, columns, blocks, take) => {
    let count = 0;
    for (const group of groupsOf(values, columns, blocks)) {
      const found = fit(group);
      if (found === undefined) {
        take(fits, count);
        return false;
      }
      writeFit(fits, count++, found);
      if (count < MOST_FITS) continue;
      take(fits, count);
      count = 0;
    }
    take(fits, count);
    return true;
  };
}

/** Where codes have a common divisor, the scale is a multiple of the stored one: not more often than this is tried. */
const MOST_SPLIT = 15;

/** One group as integers: the exact step, or else the scale whose multiples are rounded to the floats. */
export function integerFit(type: HidingType): FitGroup {
  const magnitudes = new Magnitudes(type);
  const bounds: ScaleBounds = { low: 0, high: 0, areSettled: true };
  const isSingle = type === "F32";
  return (group) => {
    const { values, start, length } = group;
    const step = exactStep(values, start, start + length);
    const exact = step !== undefined && isNarrow(step) ? step : undefined;
    const most = exact === undefined ? MOST_STEPS : Math.max(exact.max, -exact.min);
    // floats of few bits have a common step by chance: fewer steps, rounded, are the better answer
    if (exact !== undefined && (isSingle || most <= FEW_STEPS)) return withStorableScale(exact);
    if (!gather(magnitudes, group)) return undefined;
    const last = exact === undefined ? MOST_STEPS : Math.floor(most / 2);
    const doubtful: number[] = [];
    for (let top = 1; top <= last; top++) {
      const narrows = isSingle
        ? narrowScale(magnitudes, nearestInteger, top, bounds)
        : narrowStep(magnitudes, top, bounds);
      if (!narrows) continue;
      const fit =
        roundedFit(magnitudes, bounds, type, top) ??
        (bounds.areSettled ? undefined : nearestFit(magnitudes, bounds, type, top));
      if (fit !== undefined && isNarrow(fit)) return fit;
      // more steps are no narrower
      if (fit !== undefined) break;
      if (!bounds.areSettled) doubtful.push(top);
    }
    return exact === undefined ? possibleFit(magnitudes, doubtful, type) : withStorableScale(exact);
  };
}

/** Exact multiples up to this are no coincidence. */
const FEW_STEPS = 15;

/** True for levels that codes of 8 bits hold. */
export function isNarrow({ min, max }: GroupFit): boolean {
  return max - min <= MOST_STEPS;
}

/** The same fit with a scale that is an f16 number, where a small part of the scale is one. */
export function withStorableScale(fit: GroupFit): GroupFit {
  const { scale, min, max } = fit;
  if (isHalf(scale)) return fit;
  const most = Math.max(max, -min);
  for (let split = 2; split * most <= MOST_SPLIT; split++) {
    if (isHalf(scale / split)) return { ...fit, scale: scale / split, min: min * split, max: max * split };
  }
  return fit;
}

/** An f16 scale where there is one, then a bf16 or f32 scale. */
function roundedFit(
  magnitudes: Magnitudes,
  { low, high }: ScaleBounds,
  type: HidingType,
  top: number,
): GroupFit | undefined {
  const most = Math.max(1, Math.floor(MOST_SPLIT / top));
  for (let split = 1; split <= most; split++) {
    for (const half of halvesBetween(low / split, high / split)) {
      const fit = fitOf(magnitudes, nearestInteger, half, type);
      if (fit !== undefined) return fit;
    }
  }
  for (const scale of scalesBetween(low, high)) {
    const fit = fitOf(magnitudes, nearestInteger, scale, type);
    if (fit !== undefined) return fit;
  }
  return undefined;
}

/** Where bounds are so wide that their middle is no scale: the bounds of the nearest integers. */
function nearestFit(
  magnitudes: Magnitudes,
  bounds: ScaleBounds,
  type: HidingType,
  top: number,
): GroupFit | undefined {
  const nearest = nearestBounds(magnitudes, bounds);
  return nearest === undefined ? undefined : roundedFit(magnitudes, nearest, type, top);
}

/** Where neither the middle of the bounds nor the nearest integers were right: all scales that are possible. */
function possibleFit(
  magnitudes: Magnitudes,
  tops: readonly number[],
  type: HidingType,
): GroupFit | undefined {
  const bounds: ScaleBounds = { low: 0, high: 0 };
  for (const top of tops) {
    narrowStep(magnitudes, top, bounds);
    for (const range of possibleBounds(magnitudes, bounds)) {
      const fit = roundedFit(magnitudes, range, type, top);
      if (fit !== undefined && isNarrow(fit)) return fit;
    }
  }
  return undefined;
}

/** The f16 numbers in bounds, the nearest to the middle first. */
function* halvesBetween(low: number, high: number): Generator<number> {
  const middle = roundedTo("F16", (low + high) / 2);
  if (middle === 0) return;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(middle))) - 10);
  const within = (half: number): boolean => half >= low && half <= high;
  if (within(middle)) yield middle;
  for (let distance = step; within(middle - distance) || within(middle + distance); distance += step) {
    if (within(middle - distance)) yield middle - distance;
    if (within(middle + distance)) yield middle + distance;
  }
}

/** Numbers next to the middle that are tried where the bounds are as narrow as an f32. */
const NEIGHBOURS = [0, 1, -1, 2, -2] as const;

/** A bf16 number in bounds, then f32 numbers near the middle. */
export function* scalesBetween(low: number, high: number): Generator<number> {
  const middle = (low + high) / 2;
  const bfloat = roundedTo("BF16", middle);
  if (bfloat >= low && bfloat <= high) yield bfloat;
  const single = Math.fround(middle);
  const step = 2 ** (Math.floor(Math.log2(middle)) - 23);
  for (const neighbour of NEIGHBOURS) {
    const scale = single + neighbour * step;
    if (scale > 0 && (neighbour === 0 || (scale >= low && scale <= high))) yield Math.fround(scale);
  }
}

export function fitOf(
  magnitudes: Magnitudes,
  nearest: NearestLevel,
  scale: number,
  type: HidingType,
): GroupFit | undefined {
  const how = checkScale(magnitudes, nearest, scale, type);
  if (how === undefined) return undefined;
  const max = nearest(magnitudes.max / scale);
  const min = 0 - nearest(-magnitudes.min / scale);
  return { scale, min, max, exact: how === "exact", nonzero: magnitudes.nonzero };
}

/** Takes the magnitudes of a group. False: a float is not finite, so that there is no scale. */
export type Gather = (magnitudes: Magnitudes, group: Group) => boolean;

export const gather: Gather = (magnitudes, { values, start, length, runs, step }) => {
  magnitudes.start(runs * length);
  for (let run = 0, from = start; run < runs; run++, from += step) {
    if (!magnitudes.add(values, from, from + length)) return false;
  }
  return true;
};

const floats = /* @__PURE__ */ new Float32Array(1);
const bits = /* @__PURE__ */ new Uint32Array(floats.buffer);

/** True for a positive f32 number that an E8M0 code stands for: also 2^-127, which is subnormal. */
function isPowerOfTwo(value: number): boolean {
  floats[0] = value;
  const word = bits[0]!;
  if (floats[0] !== value || word >= 0x7f800000) return false;
  return word >= 0x00800000 ? (word & 0x7fffff) === 0 : word === 0x00400000;
}

/** What all scales that were seen are values of. */
export class ScaleKinds {
  areHalf = true;
  areBfloat = true;
  arePowers = true;

  add(scale: number): void {
    if (this.areHalf && !isHalf(scale)) this.areHalf = false;
    if (this.areBfloat && !isBfloat(scale)) this.areBfloat = false;
    // a group of zeros may have any scale
    if (this.arePowers && scale !== 0 && !isPowerOfTwo(scale)) this.arePowers = false;
  }

  get narrowest(): "F16" | "BF16" | "F32" {
    if (this.areHalf) return "F16";
    return this.areBfloat ? "BF16" : "F32";
  }
}
