/** The best step and offset for one sub-block: value ≈ scale × level[code] + bias with the least weighted squared error. */
import type { Levels } from "./levels.ts";

/** Which offsets a type has. */
export type BiasSign = "none" | "any" | "negative";

export interface Fit {
  scale: number;
  bias: number;
  error: number;
}

/** Rounds of: codes for the step, then the step for the codes. */
const ROUNDS = 4;

/** The same where the step is fixed. */
const BIAS_ROUNDS = 2;

/** Shares of the range that are tried. */
const SHARES: readonly number[] = /* @__PURE__ */ Array.from({ length: 14 }, (_, i) => 1.08 - 0.04 * i);

/** Which end is cut off where the share is below 1: the upper one, both, the lower one. */
const SIDES: readonly number[] = [0, 0.5, 1];

/** Below this share of its largest possible size a determinant counts as zero: all codes are one. */
const SINGULAR = 1e-9;

/** The weights of one sub-block, and what an error in each of them costs. */
export class Group {
  private readonly values: Float32Array;
  private readonly costs: Float32Array;
  private readonly levels: Levels;
  /** Sums over the group with the codes of the last measurement: cost, cost × value, cost × level, and so on. */
  w = 0;
  x = 0;
  l = 0;
  xx = 0;
  xl = 0;
  ll = 0;

  constructor(values: Float32Array, costs: Float32Array, levels: Levels) {
    this.values = values;
    this.costs = costs;
    this.levels = levels;
  }

  /** The error of the nearest codes. */
  measure(scale: number, bias: number): number {
    const { values, costs, levels } = this;
    const inverse = scale === 0 ? 0 : 1 / scale;
    let [error, w, x, l, xx, xl, ll] = [0, 0, 0, 0, 0, 0, 0];
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const cost = costs[i]!;
      const level = levels.values[levels.nearest((value - bias) * inverse)]!;
      const difference = scale * level + bias - value;
      error += cost * difference * difference;
      w += cost;
      x += cost * value;
      l += cost * level;
      xx += cost * value * value;
      xl += cost * level * value;
      ll += cost * level * level;
    }
    [this.w, this.x, this.l, this.xx, this.xl, this.ll] = [w, x, l, xx, xl, ll];
    return error;
  }

  /** The best of many steps. */
  fit(sign: BiasSign): Fit {
    const best: Fit = { scale: 0, bias: 0, error: this.measure(0, 0) };
    const start: Fit = { ...best };
    const attempt = (scale: number, bias: number): void => {
      this.measure(scale, bias);
      const refit = this.refit(sign, scale);
      if (refit.error < start.error) Object.assign(start, refit);
    };
    const { lo, hi } = this.range(sign);
    const { values: levels } = this.levels;
    const [first, last] = [levels[0]!, levels[levels.length - 1]!];
    if (!(hi > lo)) return sign === "none" ? best : { scale: 0, bias: lo, error: 0 };
    for (const share of SHARES) {
      if (sign === "none") {
        const extreme = -lo > hi ? lo : hi;
        attempt((share * extreme) / first, 0);
        attempt((share * extreme) / last, 0);
        continue;
      }
      const scale = (share * (hi - lo)) / (last - first);
      for (const side of SIDES) {
        const bias = lo + (1 - share) * side * (hi - lo);
        attempt(scale, sign === "negative" ? Math.min(0, bias) : bias);
      }
    }
    let { scale, bias } = start;
    for (let round = 0; round < ROUNDS; round++) {
      const error = this.measure(scale, bias);
      if (!(error < best.error)) break;
      Object.assign(best, { scale, bias, error });
      ({ scale, bias } = this.refit(sign, scale));
    }
    return best;
  }

  /** The best offset for a fixed step: codes and offset in turn. */
  fitBias(sign: BiasSign, scale: number, start: number): Fit {
    const best: Fit = { scale, bias: start, error: Number.POSITIVE_INFINITY };
    let bias = start;
    for (let round = 0; round < BIAS_ROUNDS; round++) {
      const error = this.measure(scale, bias);
      if (!(error < best.error)) break;
      Object.assign(best, { bias, error });
      if (sign === "none") break;
      bias = (this.x - scale * this.l) / this.w;
      if (sign === "negative") bias = Math.min(0, bias);
    }
    return best;
  }

  /** Least squares for the codes of the last measurement, whose step was `scale`. */
  private refit(sign: BiasSign, scale: number): Fit {
    const { w, x, l, xx, xl, ll } = this;
    const determinant = w * ll - l * l;
    if (sign !== "none" && determinant > SINGULAR * w * ll) {
      const step = (w * xl - x * l) / determinant;
      const bias = (ll * x - l * xl) / determinant;
      if (sign === "any" || bias <= 0) return { scale: step, bias, error: xx - step * xl - bias * x };
    }
    if (sign === "any" && w > 0) {
      const bias = (x - scale * l) / w;
      return { scale, bias, error: xx - (x * x) / w };
    }
    const step = ll > 0 ? xl / ll : 0;
    return { scale: step, bias: 0, error: xx - step * xl };
  }

  private range(sign: BiasSign): { readonly lo: number; readonly hi: number } {
    let lo = this.values[0]!;
    let hi = lo;
    for (const value of this.values) {
      lo = Math.min(lo, value);
      hi = Math.max(hi, value);
    }
    // codes around a fixed zero span it, and no minimum is above it
    return { lo: sign === "any" ? lo : Math.min(lo, 0), hi: sign === "none" ? Math.max(hi, 0) : hi };
  }
}
