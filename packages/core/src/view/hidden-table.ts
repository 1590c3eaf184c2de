/** Scales of groups of floats whose levels are the numbers of a table: E2M1 and E4M3. */
import { E4M3_MAX } from "../numeric/float8.ts";
import { FIT_LENGTH } from "./hidden-fits.ts";
import { E2M1_HALVES, type HidingType } from "./hidden-grid.ts";
import {
  type FitGroup,
  type FitRows,
  fitOf,
  type Gather,
  type Group,
  gather,
  scalesBetween,
} from "./hidden-scale.ts";
import { type GroupFit, Magnitudes, type NearestLevel, narrowScale, ZERO_FIT } from "./hidden-step.ts";

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
  if (magnitude > E4M3_MAX * (1 + 1 / 32)) return 0;
  // steps of 2^-9 below 2^-6, else 3 bits of fraction
  if (magnitude < 2 ** -6) return Math.floor(magnitude * 512 + 0.5) / 512;
  return Math.min(E4M3_MAX, nearestOfFourBits(magnitude));
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
export function float8Fit(type: HidingType, gatherGroup: Gather = gather): FitGroup {
  const magnitudes = new Magnitudes(type);
  return (group) => {
    if (!gatherGroup(magnitudes, group)) return undefined;
    return magnitudes.length === 0 ? ZERO_FIT : e4m3Scale(magnitudes, type);
  };
}

/** Magnitudes of E4M3 that are not 0. */
const E4M3_COUNT = 126;

/** The scale with which all magnitudes are E4M3 numbers. A power of two first: all products are exact then. */
function e4m3Scale(magnitudes: Magnitudes, type: HidingType): GroupFit | undefined {
  if (type !== "F32" && magnitudes.length > E4M3_COUNT) return undefined;
  const bounds = { low: 0, high: 0 };
  for (const top of E4M3_TOPS) {
    if (!narrowScale(magnitudes, nearestE4m3, top, bounds)) continue;
    const power = 2 ** Math.round(Math.log2(bounds.high));
    const isPossible = power >= bounds.low && power <= bounds.high;
    const fit = isPossible ? fitOf(magnitudes, nearestE4m3, power, type) : undefined;
    if (fit !== undefined) return fit;
    for (const scale of scalesBetween(bounds.low, bounds.high)) {
      const fit = fitOf(magnitudes, nearestE4m3, scale, type);
      if (fit !== undefined) return fit;
    }
  }
  return undefined;
}

/** Levels of E2M1 that the largest magnitude can be at, in halves: the largest first. */
const E2M1_TOPS: readonly number[] = [...E2M1_HALVES].reverse().filter((level) => level > 0);

/** What the scales of NVFP4 are: E4M3 numbers, or the same without bounds where the factor may be other powers of two. */
export type ScaleLevels = "E4M3" | "four bits";

const NEAREST: Readonly<Record<ScaleLevels, NearestLevel>> = {
  E4M3: nearestE4m3,
  "four bits": nearestOfFourBits,
};

/**
 * The scales of NVFP4 while the largest one of the tensor is not known: powers of two may go from the factor to all scales and
 * back. `settled` gives the factor with which the scales that were seen are E4M3 numbers.
 */
export class FloatingNvfp4 {
  private readonly factor: number;
  private most = 0;
  /** All scales are multiples of it. */
  private unit = Number.POSITIVE_INFINITY;

  constructor(factor: number) {
    this.factor = factor;
  }

  /** The same fit, whose scales are seen. */
  watched(fit: FitRows): FitRows {
    return (values, columns, blocks, take) =>
      fit(values, columns, blocks, (fits, count) => {
        this.see(fits, count);
        take(fits, count);
      });
  }

  /** Half of a scale times the factor is what a group has. Nearly all are multiples of the unit, and below the largest. */
  private see(fits: Float64Array, count: number): void {
    let size = this.sizeOfUnit();
    let inverse = 1 / size;
    let most = Math.fround(this.most * this.factor) / 2;
    for (let i = 0, at = 1; i < count; i++, at += FIT_LENGTH) {
      const own = fits[at]!;
      const isMultiple = Math.fround(Math.floor(own * inverse + 0.5) * size) === own;
      if (isMultiple && own <= most) continue;
      if (own === 0) continue;
      this.add(nearestOfFourBits((2 * own) / this.factor));
      size = this.sizeOfUnit();
      inverse = 1 / size;
      most = Math.fround(this.most * this.factor) / 2;
    }
  }

  private sizeOfUnit(): number {
    return this.unit === Number.POSITIVE_INFINITY ? Number.NaN : this.unit * this.factor * 0.5;
  }

  private add(scale: number): void {
    if (scale > this.most) this.most = scale;
    if (Number.isInteger(scale / this.unit) && this.unit < Number.POSITIVE_INFINITY) return;
    let unit = 2 ** (Math.floor(Math.log2(scale)) - 3);
    while ((scale / unit) % 2 === 0) unit *= 2;
    this.unit = unit;
  }

  /** What has no factor has the factor 1; else the largest scale is as large as E4M3 goes. */
  settled(): number | undefined {
    const least = 2 ** Math.ceil(Math.log2(this.most / E4M3_MAX));
    const powers = [1 / this.factor, least].filter((power) => Number.isInteger(Math.log2(power)));
    const holds = (power: number): boolean => this.most / power <= E4M3_MAX && this.unit / power >= E4M3_UNIT;
    const power = powers.find(holds);
    return power === undefined ? undefined : this.factor * power;
  }
}

/** The smallest E4M3 number. */
const E4M3_UNIT = 2 ** -9;

/** E2M1 with an E4M3 number times the tensor's factor for a scale. */
export function nvfp4Fit(type: HidingType, factor: number, levels: ScaleLevels): FitGroup {
  const magnitudes = new Magnitudes(type);
  const nearest = NEAREST[levels];
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

/** True where each group fits with a factor. */
type HoldsFactor = (factor: number) => boolean;

/** The factor of a tensor whose groups are like NVFP4's, from some of them; undefined where there is none. */
export function nvfp4Factor(
  type: HidingType,
  groups: Iterable<Group>,
  holds: HoldsFactor,
): number | undefined {
  const magnitudes = new Magnitudes(type);
  const all = [...groups];
  const scales = new Magnitudes("F32");
  // not those of a group whose magnitudes are 4 and 2, say: they may be 6 and 3
  const certain = new Magnitudes("F32");
  scales.start(all.length);
  certain.start(all.length);
  const bounds = { low: 0, high: 0 };
  for (const group of all) {
    if (!gather(magnitudes, group)) return undefined;
    if (magnitudes.length === 0) continue;
    const tops = E2M1_TOPS.filter((top) => narrowScale(magnitudes, nearestE2m1, top, bounds));
    const [first] = tops;
    if (first === undefined) return undefined;
    narrowScale(magnitudes, nearestE2m1, first, bounds);
    // the group's scale was itself rounded to f32
    const [low, high] = [2 * bounds.low * (1 - F32_STEP), 2 * bounds.high * (1 + F32_STEP)];
    const isCertain = tops.every((top) => Number.isInteger(Math.log2(first / top)));
    for (const list of isCertain ? [scales, certain] : [scales]) {
      list.set(list.length++, (low + high) / 2, low, high);
    }
  }
  if (scales.length === 0) return undefined;
  // what has no factor has the factor 1
  if (holds(1)) return 1;
  return factorOf(scales, holds) ?? (certain.length < scales.length ? factorOf(certain, holds) : undefined);
}

/** The factor of which all scales are E4M3 numbers. */
function factorOf(scales: Magnitudes, holds: HoldsFactor): number | undefined {
  if (scales.length === 0) return undefined;
  const bounds = { low: 0, high: 0 };
  for (const top of E4M3_TOPS) {
    if (!narrowScale(scales, nearestE4m3, top, bounds)) continue;
    for (const factor of scalesBetween(bounds.low, bounds.high)) if (holds(factor)) return factor;
  }
  return undefined;
}
