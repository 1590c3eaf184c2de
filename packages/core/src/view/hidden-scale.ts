/** Scales of groups of floats whose levels are integers or the numbers of a table. */
import { isBfloat, isHalf } from "./facts.ts";
import { E2M1_HALVES, E4M3_MOST, type HiddenGrid, type HidingType } from "./hidden-grid.ts";
import {
  checkScale,
  exactStep,
  type GroupFit,
  Magnitudes,
  MOST_STEPS,
  type NearestLevel,
  narrowScale,
  narrowStep,
  nearestInteger,
  roundedTo,
  type ScaleBounds,
  ZERO_FIT,
} from "./hidden-step.ts";

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

/** Takes the fit of a group, which is valid until it returns. */
export type TakeFit = (fit: GroupFit, group: Group) => void;

/** Fits each group of some whole rows in order. False: one does not fit, and those after it were not looked at. */
export type FitRows = (
  values: Float32Array,
  columns: number,
  blocks: Pick<HiddenGrid, "blockRows" | "blockColumns">,
  take: TakeFit,
) => boolean;

/** One group after another. */
export function rowsFit(fit: FitGroup): FitRows {
  return (values, columns, blocks, take) => {
    for (const group of groupsOf(values, columns, blocks)) {
      const found = fit(group);
      if (found === undefined) return false;
      take(found, group);
    }
    return true;
  };
}

/** Makes the search for integers in floats of a type. */
export type IntegerFit = (type: HidingType) => FitRows;

/** Integers: the exact step, or else the scale whose multiples are rounded to the floats. */
export const integerRows: IntegerFit = (type) => rowsFit(integerFit(type));

/** Where codes have a common divisor, the scale is a multiple of the stored one: not more often than this is tried. */
const MOST_SPLIT = 15;

/** One group as integers. */
export function integerFit(type: HidingType): FitGroup {
  const magnitudes = new Magnitudes(type);
  const bounds = { low: 0, high: 0 };
  const isSingle = type === "F32";
  return (group) => {
    const { values, start, length } = group;
    const exact = exactStep(values, start, start + length);
    const most = exact === undefined ? MOST_STEPS : Math.max(exact.max, -exact.min);
    // floats of few bits have a common step by chance: fewer steps, rounded, are the better answer
    if (exact !== undefined && (isSingle || most <= FEW_STEPS)) return exactFit(exact);
    if (!gather(magnitudes, group)) return undefined;
    const last = exact === undefined ? MOST_STEPS : Math.floor(most / 2);
    for (let top = 1; top <= last; top++) {
      const narrows = isSingle
        ? narrowScale(magnitudes, nearestInteger, top, bounds)
        : narrowStep(magnitudes, top, bounds);
      if (!narrows) continue;
      const fit = roundedFit(magnitudes, bounds, type, top);
      if (fit !== undefined) return isNarrow(fit) ? fit : undefined;
    }
    return exact === undefined ? undefined : exactFit(exact);
  };
}

/** An exact step, where codes of 8 bits hold its levels. */
export function exactFit(fit: GroupFit): GroupFit | undefined {
  return isNarrow(fit) ? withStorableScale(fit) : undefined;
}

/** Exact multiples up to this are no coincidence. */
const FEW_STEPS = 15;

/** True for levels that codes of 8 bits hold. */
export function isNarrow({ min, max }: GroupFit): boolean {
  return max - min <= MOST_STEPS;
}

/** The same fit with a scale that is an f16 number, where a small part of the scale is one. */
function withStorableScale(fit: GroupFit): GroupFit {
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
function* scalesBetween(low: number, high: number): Generator<number> {
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

function fitOf(
  magnitudes: Magnitudes,
  nearest: NearestLevel,
  scale: number,
  type: HidingType,
): GroupFit | undefined {
  const how = checkScale(magnitudes, nearest, scale, type);
  if (how === undefined) return undefined;
  const max = nearest(magnitudes.max / scale);
  const min = 0 - nearest(-magnitudes.min / scale);
  return { scale, min, max, exact: how === "exact", nonzero: magnitudes.length };
}

/** False: a float is not finite. */
function gather(magnitudes: Magnitudes, { values, start, length, runs, step }: Group): boolean {
  magnitudes.start(runs * length);
  for (let run = 0, from = start; run < runs; run++, from += step) {
    if (!magnitudes.add(values, from, from + length)) return false;
  }
  return true;
}

const isE2m1 = /* @__PURE__ */ Uint8Array.from({ length: 13 }, (_, level) =>
  E2M1_HALVES.includes(level) ? 1 : 0,
);

/** Halves of E2M1; 0 for what is none of them. */
const nearestE2m1: NearestLevel = (magnitude) => {
  const level = Math.floor(magnitude + 0.5);
  return isE2m1[level] === 1 ? level : 0;
};

/** E2M1 with a power of two for a scale: the largest magnitude is 4 or 6 of them. */
export function mxfp4Fit(type: HidingType): FitGroup {
  const magnitudes = new Magnitudes(type);
  return (group) => {
    if (!gather(magnitudes, group)) return undefined;
    if (magnitudes.length === 0) return ZERO_FIT;
    const scale = 2 ** (Math.floor(Math.log2(magnitudes.values[magnitudes.largest]!)) - 3);
    const fit = fitOf(magnitudes, nearestE2m1, scale, type);
    return fit?.exact === true ? fit : undefined;
  };
}

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

/** The E4M3 number that is nearest to a magnitude; 0 for what is too small or too large. */
export const nearestE4m3: NearestLevel = (magnitude) => {
  if (magnitude > E4M3_MOST * (1 + 1 / 32)) return 0;
  // steps of 2^-9 below 2^-6, else 3 bits of fraction
  if (magnitude < 2 ** -6) return Math.floor(magnitude * 512 + 0.5) / 512;
  return Math.min(E4M3_MOST, nearestOfFourBits(magnitude));
};

/** The number of four significant bits that is nearest to a magnitude: E4M3 without bounds. */
const nearestOfFourBits: NearestLevel = (magnitude) => {
  floats[0] = magnitude;
  bits[0] = (bits[0]! + 0x7ffff + ((bits[0]! >>> 20) & 1)) & 0xfff00000;
  return floats[0];
};

/** Levels of the largest magnitude: one of each fraction, as high as E4M3 goes. */
const E4M3_TOPS: readonly number[] = [448, 416, 384, 352, 320, 288, 256, 240];

/** E4M3 times a scale. */
export function float8Fit(type: HidingType): FitGroup {
  const magnitudes = new Magnitudes(type);
  return (group) => {
    if (!gather(magnitudes, group)) return undefined;
    return magnitudes.length === 0 ? ZERO_FIT : e4m3Scale(magnitudes, type);
  };
}

/** The scale with which all magnitudes are E4M3 numbers. A power of two first: all products are exact then. */
function e4m3Scale(magnitudes: Magnitudes, type: HidingType): GroupFit | undefined {
  const bounds = { low: 0, high: 0 };
  for (const top of E4M3_TOPS) {
    if (!narrowScale(magnitudes, nearestE4m3, top, bounds)) continue;
    const power = 2 ** Math.round(Math.log2(bounds.high));
    const powers = power >= bounds.low && power <= bounds.high ? [power] : [];
    for (const scale of [...powers, ...scalesBetween(bounds.low, bounds.high)]) {
      const fit = fitOf(magnitudes, nearestE4m3, scale, type);
      if (fit !== undefined) return fit;
    }
  }
  return undefined;
}

/** Levels of E2M1 that the largest magnitude can be at, in halves: the largest first. */
const E2M1_TOPS: readonly number[] = [...E2M1_HALVES].reverse().filter((level) => level > 0);

/**
 * The same while the largest scale of the tensor is not known: powers of two may go from the factor to all scales and back.
 * `settled` gives the factor with which the scales that were seen are E4M3 numbers.
 */
export class FloatingNvfp4 {
  readonly fit: FitGroup;
  private readonly factor: number;
  private most = 0;
  /** All scales are multiples of it. */
  private unit = Number.POSITIVE_INFINITY;

  constructor(type: HidingType, factor: number) {
    const fit = nvfp4Fit(type, factor, nearestOfFourBits);
    this.factor = factor;
    this.fit = (group) => {
      const found = fit(group);
      if (found !== undefined && found.scale !== 0) this.add(nearestOfFourBits((2 * found.scale) / factor));
      return found;
    };
  }

  private add(scale: number): void {
    this.most = Math.max(this.most, scale);
    let unit = 2 ** (Math.floor(Math.log2(scale)) - 3);
    while ((scale / unit) % 2 === 0) unit *= 2;
    this.unit = Math.min(this.unit, unit);
  }

  /** What has no factor has the factor 1; else the largest scale is as large as E4M3 goes. */
  settled(): number | undefined {
    const least = 2 ** Math.ceil(Math.log2(this.most / E4M3_MOST));
    const powers = [1 / this.factor, least].filter((power) => Number.isInteger(Math.log2(power)));
    const holds = (power: number): boolean =>
      this.most / power <= E4M3_MOST && this.unit / power >= E4M3_UNIT;
    const power = powers.find(holds);
    return power === undefined ? undefined : this.factor * power;
  }
}

/** The smallest E4M3 number. */
const E4M3_UNIT = 2 ** -9;

/** E2M1 with an E4M3 number times the tensor's factor for a scale. */
export function nvfp4Fit(type: HidingType, factor: number, nearest: NearestLevel = nearestE4m3): FitGroup {
  const magnitudes = new Magnitudes(type);
  return (group) => {
    if (!gather(magnitudes, group)) return undefined;
    if (magnitudes.length === 0) return ZERO_FIT;
    const most = magnitudes.values[magnitudes.largest]!;
    for (const top of E2M1_TOPS) {
      const scale = nearest((2 * most) / top / factor);
      if (scale === 0) continue;
      // half of the scale, for levels in halves
      const fit = fitOf(magnitudes, nearestE2m1, Math.fround(scale * factor) / 2, type);
      if (fit !== undefined) return fit;
    }
    return undefined;
  };
}

const F32_STEP = 2 ** -24;

/** The factor of a tensor whose groups are like NVFP4's, from some of them; undefined where there is none. */
export function nvfp4Factor(type: HidingType, groups: Iterable<Group>): number | undefined {
  const magnitudes = new Magnitudes(type);
  const scales = new Magnitudes("F32");
  const all = [...groups];
  scales.start(all.length);
  const bounds = { low: 0, high: 0 };
  for (const group of all) {
    if (!gather(magnitudes, group)) return undefined;
    if (magnitudes.length === 0) continue;
    const fits = E2M1_TOPS.some((top) => narrowScale(magnitudes, nearestE2m1, top, bounds));
    if (!fits) return undefined;
    // the group's scale was itself rounded to f32
    const [low, high] = [2 * bounds.low * (1 - F32_STEP), 2 * bounds.high * (1 + F32_STEP)];
    scales.set(scales.length++, (low + high) / 2, low, high);
  }
  if (scales.length === 0) return undefined;
  const holds = (factor: number): boolean => {
    const fit = nvfp4Fit(type, factor, nearestOfFourBits);
    return all.every((group) => fit(group) !== undefined);
  };
  // what has no factor has the factor 1
  if (holds(1)) return 1;
  for (const top of E4M3_TOPS) {
    if (!narrowScale(scales, nearestE4m3, top, bounds)) continue;
    for (const factor of scalesBetween(bounds.low, bounds.high)) if (holds(factor)) return factor;
  }
  return undefined;
}

/** What all scales that were seen are values of. */
export class ScaleKinds {
  areHalf = true;
  areBfloat = true;
  arePowers = true;

  add(scale: number): void {
    if (this.areHalf && !isHalf(scale)) this.areHalf = false;
    if (this.areBfloat && !isBfloat(scale)) this.areBfloat = false;
    if (this.arePowers && scale !== 0 && !Number.isInteger(Math.log2(scale))) this.arePowers = false;
  }

  get narrowest(): "F16" | "BF16" | "F32" {
    if (this.areHalf) return "F16";
    return this.areBfloat ? "BF16" : "F32";
  }
}
