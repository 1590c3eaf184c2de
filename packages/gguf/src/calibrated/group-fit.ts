/** The best step and offset for one sub-block: value ≈ scale × level[code] + bias with the least weighted squared error. */
import type { Levels } from "./levels.ts";

/** Which offsets a type has. */
export type BiasSign = "none" | "any" | "negative";

export interface Fit {
  readonly scale: number;
  readonly bias: number;
  readonly error: number;
}

/** Rounds of: codes for the step, then the step for the codes. */
const ROUNDS = 4;

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
  /** Sums over the group: cost, cost × value, cost × value². */
  readonly w: number;
  readonly x: number;
  private readonly xx: number;
  /** With the codes of the last `measure`: cost × level, cost × level × value, cost × level². */
  l = 0;
  xl = 0;
  ll = 0;

  constructor(values: Float32Array, costs: Float32Array, levels: Levels) {
    this.values = values;
    this.costs = costs;
    this.levels = levels;
    let [w, x, xx] = [0, 0, 0];
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const cost = costs[i]!;
      w += cost;
      x += cost * value;
      xx += cost * value * value;
    }
    [this.w, this.x, this.xx] = [w, x, xx];
  }

  /** The error of the nearest codes, or a part of it that is already above the limit. */
  errorOf(scale: number, bias: number, limit = Number.POSITIVE_INFINITY): number {
    const { values, costs, levels } = this;
    const inverse = scale === 0 ? 0 : 1 / scale;
    let error = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const difference = scale * levels.nearestLevel((value - bias) * inverse) + bias - value;
      error += costs[i]! * difference * difference;
      if (error > limit) break;
    }
    return error;
  }

  /** The error and the sums of the nearest codes. */
  measure(scale: number, bias: number): number {
    const { values, costs, levels } = this;
    const inverse = scale === 0 ? 0 : 1 / scale;
    let error = 0;
    let l = 0;
    let xl = 0;
    let ll = 0;
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      const cost = costs[i]!;
      const level = levels.nearestLevel((value - bias) * inverse);
      const difference = scale * level + bias - value;
      error += cost * difference * difference;
      const weighted = cost * level;
      l += weighted;
      xl += weighted * value;
      ll += weighted * level;
    }
    this.l = l;
    this.xl = xl;
    this.ll = ll;
    return error;
  }

  /** The best of many steps. */
  fit(sign: BiasSign): Fit {
    let best: Fit = { scale: 0, bias: 0, error: this.errorOf(0, 0) };
    let start = best;
    const attempt = (scale: number, bias: number): void => {
      this.measure(scale, bias);
      const refit = this.refit(sign, scale);
      if (refit.error < start.error) start = refit;
    };
    const { lo, hi } = this.range(sign);
    const { first, last } = this.levels;
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
      best = { scale, bias, error };
      ({ scale, bias } = this.refit(sign, scale));
    }
    return best;
  }

  /** The best offset for a fixed step: codes and offset in turn. Where there is no offset, `limit` is that of `errorOf`. */
  fitBias(sign: BiasSign, scale: number, start: number, limit: number): Fit {
    if (sign === "none") return { scale, bias: start, error: this.errorOf(scale, start, limit) };
    const error = this.measure(scale, start);
    const free = (this.x - scale * this.l) / this.w;
    const bias = sign === "negative" ? Math.min(0, free) : free;
    const better = this.errorOf(scale, bias, error);
    return better < error ? { scale, bias, error: better } : { scale, bias: start, error };
  }

  /** Least squares for the codes of the last `measure`, whose step was `scale`. */
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
