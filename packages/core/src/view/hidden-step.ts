/** The step of one group of floats: the scale with which all of them are small integers. */
import type { HidingType } from "./hidden-grid.ts";
import { type SeenFloats, seenFloats } from "./seen-floats.ts";

/** No code is further than this from its zero point. */
export const MOST_STEPS = 255;

/** A scale, and the smallest and largest level that it gives. */
export interface GroupFit {
  readonly scale: number;
  readonly min: number;
  readonly max: number;
  /** Scale × level is the float itself; else only once it is rounded. */
  readonly exact: boolean;
  /** Floats that are not 0. */
  readonly nonzero: number;
}

/** What a group of zeros is: any scale would do. */
export const ZERO_FIT: GroupFit = { scale: 0, min: 0, max: 0, exact: true, nonzero: 0 };

const floats = new Float32Array(1);
const bits = new Uint32Array(floats.buffer);

interface FloatType {
  /** Bits of the significand, the hidden one counted. */
  readonly precision: number;
  /** Exponent of the smallest normal number. */
  readonly least: number;
  /** Bits that an f32 has more. */
  readonly dropped: number;
}

const TYPES: Readonly<Record<HidingType, FloatType>> = {
  F32: { precision: 24, least: -126, dropped: 0 },
  BF16: { precision: 8, least: -126, dropped: 16 },
  F16: { precision: 11, least: -14, dropped: 13 },
};

/** By the exponent field of an f32: half the distance to the next number of a type. */
const HALF_STEPS: Readonly<Record<HidingType, Float64Array>> = {
  F32: halfSteps(TYPES.F32),
  BF16: halfSteps(TYPES.BF16),
  F16: halfSteps(TYPES.F16),
};

function halfSteps({ precision, least }: FloatType): Float64Array {
  return Float64Array.from({ length: 256 }, (_, field) => 2 ** (Math.max(field - 127, least) - precision));
}

/** A number rounded to a float type, ties to even. Numbers that are too large become infinite or larger than the type's. */
export function roundedTo(type: HidingType, value: number): number {
  const { precision, least, dropped } = TYPES[type];
  floats[0] = value;
  if (dropped === 0) return floats[0];
  const field = (bits[0]! >>> 23) & 0xff;
  if (field - 127 < least) {
    // subnormal: whole multiples of the smallest number
    const unit = 2 ** (least - precision + 1);
    const scaled = floats[0] / unit;
    const down = Math.floor(scaled);
    const rest = scaled - down;
    return (rest > 0.5 || (rest === 0.5 && (down & 1) === 1) ? down + 1 : down) * unit;
  }
  const half = 1 << (dropped - 1);
  bits[0] = (bits[0]! + half - 1 + ((bits[0]! >>> dropped) & 1)) & ~((1 << dropped) - 1);
  return floats[0];
}

/**
 * Magnitudes of a group, and between which bounds a product lies that is rounded to each. Those of 8 or 11 bits are kept
 * once: on a grid of few levels they are few. A block of 128 × 128 has 126 magnitudes of E4M3 at most. All of F32 are kept.
 */
export class Magnitudes {
  length = 0;
  /** Floats that are not 0. */
  nonzero = 0;
  /** Place of the largest. */
  largest = 0;
  /** The smallest and the largest float, 0 included. */
  min = 0;
  max = 0;
  values: Float64Array = new Float64Array(0);
  low: Float64Array = new Float64Array(0);
  high: Float64Array = new Float64Array(0);
  /** Half the distance to the next number of the type, in parts of a number: at most. */
  readonly relativeHalfStep: number;
  private readonly dropped: number;
  private readonly halves: Float64Array;
  private readonly seen: SeenFloats;
  private known: Float32Array | undefined;
  private words: Uint32Array = new Uint32Array(0);
  private group = 0;

  constructor(type: HidingType) {
    const { dropped } = TYPES[type];
    this.dropped = dropped;
    this.seen = seenFloats(32 - dropped);
    this.halves = HALF_STEPS[type];
    this.relativeHalfStep = 2 ** -TYPES[type].precision;
  }

  start(most: number): void {
    this.length = 0;
    this.nonzero = 0;
    this.group = this.seen.next();
    this.largest = 0;
    this.min = 0;
    this.max = 0;
    if (this.values.length >= most) return;
    this.values = new Float64Array(most);
    this.low = new Float64Array(most);
    this.high = new Float64Array(most);
  }

  /** Takes the magnitudes of some floats that are not 0. False: one is not finite. */
  add(floatValues: Float32Array, start: number, end: number): boolean {
    const { dropped, group } = this;
    const seen = this.seen.groups;
    const words = this.wordsOf(floatValues);
    let zeros = 0;
    for (let i = start; i < end; i++) {
      const word = words[i]!;
      const place = word >>> dropped;
      if (dropped > 0 && seen[place] === group) continue;
      if (word << 1 === 0) {
        zeros++;
        continue;
      }
      seen[place] = group;
      const other = dropped > 0 && seen[place ^ (1 << (31 - dropped))] === group;
      if (!this.addOne(floatValues[i]!, word & 0x7fffffff, other)) return false;
    }
    this.nonzero += end - start - zeros;
    return true;
  }

  /** `isKept`: the magnitude was seen with the other sign. */
  private addOne(signed: number, own: number, isKept: boolean): boolean {
    if (own >= 0x7f800000) return false;
    if (signed < this.min) this.min = signed;
    else if (signed > this.max) this.max = signed;
    if (!isKept) this.keep(Math.abs(signed), own);
    return true;
  }

  private keep(value: number, own: number): void {
    const half = this.halves[own >>> 23]!;
    // below a power of two the numbers are twice as close
    const isPower = (own & 0x7fffff) === 0 && own >>> 23 > 1;
    this.set(this.length++, value, value - (isPower ? half / 2 : half), value + half);
  }

  /** Takes all magnitudes of a group: each once, finite and not 0. */
  take(list: Float32Array, group: Pick<Magnitudes, "min" | "max" | "nonzero">): void {
    const words = new Uint32Array(list.buffer, list.byteOffset, list.length);
    this.start(list.length);
    for (let i = 0; i < list.length; i++) this.keep(list[i]!, words[i]!);
    // −0 is 0
    this.min = group.min + 0;
    this.max = group.max + 0;
    this.nonzero = group.nonzero;
  }

  /** The bits of floats; those of one array are asked for again and again. */
  private wordsOf(values: Float32Array): Uint32Array {
    if (this.known !== values) {
      this.known = values;
      this.words = new Uint32Array(values.buffer, values.byteOffset, values.length);
    }
    return this.words;
  }

  /** A magnitude that is known only between bounds. */
  set(at: number, value: number, low: number, high: number): void {
    this.values[at] = value;
    this.low[at] = low;
    this.high[at] = high;
    if (value > this.values[this.largest]!) this.largest = at;
  }
}

/**
 * The largest scale of which every float is a whole multiple, at most `MOST_STEPS` of them; 0 where there is none. All
 * arithmetic is exact: a float is an integer times a power of two, and so is each remainder.
 */
export function exactStep(values: Float32Array, start: number, end: number): GroupFit | undefined {
  let step = 0;
  let inverse = 0;
  let min = 0;
  let max = 0;
  let zeros = 0;
  for (let i = start; i < end; i++) {
    const value = values[i]!;
    if (value === 0) zeros++;
    if (value > max) max = value;
    else if (value < min) min = value;
    if (Math.floor(value * inverse + 0.5) * step === value) continue;
    const magnitude = Math.abs(value);
    step = step === 0 ? magnitude : commonStep(step, magnitude, Math.max(max, -min) / MOST_STEPS);
    if (!(step > 0 && step < Number.POSITIVE_INFINITY)) return undefined;
    inverse = 1 / step;
  }
  if (step === 0) return max === 0 && min === 0 ? ZERO_FIT : undefined;
  if (Math.max(max, -min) > MOST_STEPS * step) return undefined;
  return { scale: step, min: min / step, max: max / step, exact: true, nonzero: end - start - zeros };
}

/** Euclid's algorithm; 0 where the answer is certain to be smaller than `least`. */
function commonStep(first: number, second: number, least: number): number {
  let [a, b] = [first, second];
  while (b !== 0) {
    if (!(b >= least)) return 0;
    [a, b] = [b, a % b];
  }
  return a;
}

/** The level of a table that is nearest to a magnitude; 0 where none but 0 is. */
export type NearestLevel = (magnitude: number) => number;

/** Integers. */
export const nearestInteger: NearestLevel = (magnitude) => Math.floor(magnitude + 0.5);

/** The bounds of a scale. */
export interface ScaleBounds {
  low: number;
  high: number;
  /** False: some magnitudes may be one of two integers. */
  areSettled?: boolean;
}

/** A pass settles the levels that are certain by then, which narrows the bounds for the others. */
const MOST_PASSES = 3;

/**
 * The quotients that are bounds are rounded to f32 themselves, and a product may meet a bound. Bounds of floats of 8 or 11
 * bits are far wider than this.
 */
const SLACK = 2 ** -21;

/**
 * The bounds of the scales with which every magnitude is an integer and the largest one is `top`; false where there is no
 * such scale. Each magnitude narrows them. A magnitude that is so large that it may be one of two integers waits for the next
 * pass; what is not settled then, `checkScale` decides. For BF16 and F16: all arithmetic is f32.
 */
export function narrowStep(magnitudes: Magnitudes, top: number, bounds: ScaleBounds): boolean {
  const { fround } = Math;
  const { values, low, high, largest, relativeHalfStep } = magnitudes;
  const doubt = 1 + 2 * relativeHalfStep;
  const spacing = fround(2 * fround(high[largest]! - values[largest]!));
  bounds.low = fround(low[largest]! / top);
  bounds.high = fround(high[largest]! / top);
  let unsure = 1;
  for (let pass = 0; pass < MOST_PASSES && unsure > 0; pass++) {
    unsure = narrowOnce(magnitudes, bounds, certainBelow(bounds.low, bounds.high, doubt, spacing));
    if (unsure < 0) return false;
  }
  bounds.low *= 1 - SLACK;
  bounds.high *= 1 + SLACK;
  bounds.areSettled = unsure === 0;
  return true;
}

/** The same bounds where every magnitude that is in doubt has the nearest integer; undefined where they leave no scale. */
export function nearestBounds(magnitudes: Magnitudes, { low, high }: ScaleBounds): ScaleBounds | undefined {
  const { fround } = Math;
  const bounds = { low: fround(low), high: fround(high) };
  if (narrowOnce(magnitudes, bounds, Number.POSITIVE_INFINITY) !== 0) return undefined;
  return { low: bounds.low * (1 - SLACK), high: bounds.high * (1 + SLACK) };
}

/** Narrows bounds by the magnitudes whose levels are certain. Returns how many are not, or −1 where no scale is left. */
function narrowOnce({ values, low, high, length }: Magnitudes, bounds: ScaleBounds, certain: number): number {
  const { fround } = Math;
  const inverse = fround(2 / fround(bounds.low + bounds.high));
  let unsure = 0;
  let [least, most] = [bounds.low, bounds.high];
  for (let i = 0; i < length; i++) {
    const level = Math.floor(fround(fround(values[i]! * inverse) + 0.5));
    if (level < 1) return -1;
    if (level >= certain) {
      unsure++;
      continue;
    }
    const part = fround(1 / level);
    const ownLow = fround(low[i]! * part);
    if (ownLow > least) least = ownLow;
    const ownHigh = fround(high[i]! * part);
    if (ownHigh < most) most = ownHigh;
    if (least > fround(most * fround(1 + SLACK))) return -1;
  }
  bounds.low = least;
  bounds.high = most;
  return unsure;
}

/**
 * Levels from here on may be one of two: by the largest relative error of a float, or by the error of the largest float,
 * which tells more once the bounds are narrow.
 */
function certainBelow(least: number, most: number, doubt: number, spacing: number): number {
  const { fround } = Math;
  const relative = fround(least / fround(fround(most * doubt) - least));
  const absolute = fround(fround(least - spacing) / fround(most - least));
  // not a number where nothing is left between the bounds
  if (absolute > relative) return absolute;
  return relative;
}

/** The same as `SLACK` for quotients that are not rounded to f32. */
const DOUBLE_SLACK = 2 ** -48;

/** The same for levels that are certain: those of a table lie far apart, and floats of 24 bits tell their integers. */
export function narrowScale(
  { values, low, high, length, largest }: Magnitudes,
  nearest: NearestLevel,
  top: number,
  bounds: ScaleBounds,
): boolean {
  let least = low[largest]! / top;
  let most = high[largest]! / top;
  for (let i = 0; i < length; i++) {
    const level = nearest((2 * values[i]!) / (least + most));
    if (level === 0) return false;
    const ownLow = low[i]! / level;
    if (ownLow > least) least = ownLow;
    const ownHigh = high[i]! / level;
    if (ownHigh < most) most = ownHigh;
    if (least > most * (1 + DOUBLE_SLACK)) return false;
  }
  bounds.low = least * (1 - DOUBLE_SLACK);
  bounds.high = most * (1 + DOUBLE_SLACK);
  return true;
}

/** How a scale gives every magnitude: as it is, only once it is rounded, or not at all. */
export function checkScale(
  { values, low, high, length }: Magnitudes,
  nearest: NearestLevel,
  scale: number,
  type: HidingType,
): "exact" | "rounded" | undefined {
  let exact = true;
  for (let i = 0; i < length; i++) {
    const value = values[i]!;
    const product = scale * nearest(value / scale);
    if (product === value) continue;
    exact = false;
    const single = Math.fround(product);
    if (single > low[i]! && single < high[i]!) continue;
    if (roundedTo(type, single) !== value) return undefined;
  }
  return exact ? "exact" : "rounded";
}
