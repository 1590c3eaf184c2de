/**
 * The sixteen values of IQ4_NL and IQ4_XS, dense around zero, and the search for a scale under them.
 * Source: ggml, src/ggml-common.h (kvalues_iq4nl), src/ggml-quants.c (best_index_int8, quantize_row_iq4_nl_impl).
 */
import { GROUP_EPSILON } from "../scale-search.ts";

const fround = Math.fround;

export const NONLINEAR_VALUES: Int8Array = /* @__PURE__ */ new Int8Array([
  -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113,
]);

/**
 * The code nearest to values in [n / 2, (n + 1) / 2), at index n + 256: the borders between codes, halfway between
 * their values, are all multiples of one half. On a border the higher code wins.
 */
const codeOfHalves: Uint8Array = /* @__PURE__ */ nearestCodes();

function nearestCodes(): Uint8Array {
  return Uint8Array.from({ length: 512 }, (_, index) => {
    let code = 0;
    while (code < 15 && index - 256 >= NONLINEAR_VALUES[code]! + NONLINEAR_VALUES[code + 1]!) code++;
    return code;
  });
}

/** The code whose value is nearest; the highest for NaN, as in ggml. */
export function nonlinearCode(value: number): number {
  if (!(value < 113)) return 15;
  if (value <= -127) return 0;
  return codeOfHalves[(2 * value + 256) | 0]!;
}

/** The code whose value is nearest; on a border the lower one. */
export function lowerNonlinearCode(value: number): number {
  if (!(value > -127)) return 0;
  if (value >= 113) return 15;
  return codeOfHalves[Math.ceil(2 * value) + 255]!;
}

/** A scale for `values[start, start + 32)` by trying those that put the extreme value at −134 … −120. */
export function nonlinearScale(values: Float32Array, start: number, weights: Float32Array): number {
  let absMax = 0;
  let max = 0;
  for (let i = 0; i < 32; i++) {
    const value = values[start + i]!;
    const magnitude = Math.abs(value);
    if (magnitude > absMax) {
      absMax = magnitude;
      max = value;
    }
  }
  if (absMax < GROUP_EPSILON) return 0;
  let scale = 0;
  let best = 0;
  for (let step = -8; step <= 7; step++) {
    // The first trial is the plain one, which sets the score to beat.
    const inverse = step === -8 ? fround(1 / fround(-max / -127)) : fround((step - 127) / max);
    let sumQx = 0;
    let sumQ2 = 0;
    for (let i = 0; i < 32; i++) {
      const value = values[start + i]!;
      const q = NONLINEAR_VALUES[nonlinearCode(fround(inverse * value))]!;
      const weighted = fround(weights[i]! * q);
      sumQx = fround(sumQx + fround(weighted * value));
      sumQ2 = fround(sumQ2 + fround(weighted * q));
    }
    if (step === -8) {
      scale = sumQ2 > 0 ? fround(sumQx / sumQ2) : 0;
      best = fround(scale * sumQx);
    } else if (sumQ2 > 0 && fround(sumQx * sumQx) > fround(best * sumQ2)) {
      scale = fround(sumQx / sumQ2);
      best = fround(scale * sumQx);
    }
  }
  return scale;
}
