/**
 * What IQ1_S and IQ1_M share: weights of three levels −1, 0, 1, shifted by ±1/8, eight of them on a grid of 2048.
 * Their quantizers sort a sub-block and try every split into three ranges of levels.
 * Source: ggml, src/ggml-quants.c (quantize_row_iq1_s_impl, _iq1_m_), src/ggml-common.h (IQ1S_DELTA).
 */
import { nearestInt } from "../rounding.ts";
import { buildCodebook, type Codebook, decodedGrid, EIGHT_OF_THREE, lazy } from "./codebook.ts";
import { IQ1_GRID } from "./grids.ts";
import { nearestOfEight, type Wanted } from "./nearest.ts";

const fround = Math.fround;

export const FLOAT_MAX = 3.4028234663852886e38;

/** The values of the levels, shifted up and down. */
export const SHIFTED_UP: Float32Array = /* @__PURE__ */ new Float32Array([-0.875, 0.125, 1.125]);
export const SHIFTED_DOWN: Float32Array = /* @__PURE__ */ new Float32Array([-1.125, -0.125, 0.875]);

export const ternaryGrid: () => Int8Array = /* @__PURE__ */ lazy(() =>
  decodedGrid(IQ1_GRID, EIGHT_OF_THREE, [-1, 0, 1]),
);
export const ternaryCodebook: () => Codebook = /* @__PURE__ */ lazy(() =>
  buildCodebook(IQ1_GRID, EIGHT_OF_THREE, 3),
);

/** Eight weights: scale × (grid value + shift). */
export function writeTernary(
  out: Float32Array,
  to: number,
  scale: number,
  grid: Int8Array,
  code: number,
  shift: number,
): void {
  for (let i = 0; i < 8; i++) out[to + i] = scale * (grid[8 * code + i]! + shift);
}

/** The positions of `values[start, start + count)` in ascending order; equal values stay in order. */
export function sortPositions(values: Float32Array, start: number, count: number, order: Uint8Array): void {
  for (let i = 0; i < count; i++) {
    const value = values[start + i]!;
    let to = i;
    while (to > 0 && values[start + order[to - 1]!]! > value) {
      order[to] = order[to - 1]!;
      to--;
    }
    order[to] = i;
  }
}

/** Levels by a split of the order: 0 before `split0`, 1 before `split1`, 2 from there on; all mirrored where `mirrored`. */
export function assignLevels(
  order: Uint8Array,
  count: number,
  split0: number,
  split1: number,
  mirrored: boolean,
  levels: Uint8Array,
): void {
  for (let j = 0; j < count; j++) {
    const level = j < split0 ? 0 : j < split1 ? 1 : 2;
    levels[order[j]!] = mirrored ? 2 - level : level;
  }
}

/**
 * Puts the eight levels from `start` on, chosen for the values in `wanted`, on the grid. Returns the code, or −1 − code
 * where the levels had to change; they are then changed in place.
 */
export function placeEight(
  codebook: Codebook,
  levels: Uint8Array,
  scale: number,
  shifted: Float32Array,
  wanted: Wanted,
  start: number,
): number {
  let word = 0;
  for (let i = 0; i < 8; i++) word |= levels[start + i]! << (2 * i);
  const code = codebook.codes[word]!;
  if (code >= 0) return code;
  word = nearestOfEight(codebook, -1 - code, scale, shifted, wanted, start);
  for (let i = 0; i < 8; i++) levels[start + i] = (word >> (2 * i)) & 3;
  return -1 - codebook.codes[word]!;
}

/** The 3-bit code of a sub-block's scale under the super-block's: scale ≈ (2 × code + 1) / inverse. */
export function ternaryScaleCode(inverse: number, scale: number): number {
  const code = nearestInt(0.5 * fround(fround(inverse * scale) - 1));
  return Math.max(0, Math.min(7, code));
}
