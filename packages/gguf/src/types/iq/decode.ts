import { SIGNS } from "./signs.ts";

/** Values of the three levels of IQ2, and of the eight of IQ3_XXS and IQ3_S. Source: ggml, src/ggml-common.h. */
export const IQ2_VALUES: readonly number[] = [8, 25, 43];
export const IQ3_XXS_VALUES: readonly number[] = [4, 12, 20, 28, 36, 44, 52, 62];
export const IQ3_S_VALUES: readonly number[] = [1, 3, 5, 7, 9, 11, 13, 15];

/** Eight weights: the grid's values from `gridStart` on, times `scale`, with the signs of a byte. */
export function writeEight(
  out: Float32Array,
  to: number,
  scale: number,
  grid: Int8Array,
  gridStart: number,
  signs: number,
): void {
  const signStart = 8 * signs;
  for (let i = 0; i < 8; i++) out[to + i] = scale * (grid[gridStart + i]! * SIGNS[signStart + i]!);
}

/** Four weights, the grid's values from `gridStart` on, with the signs in `SIGNS` from `signStart` on. */
export function writeFour(
  out: Float32Array,
  to: number,
  scale: number,
  grid: Int8Array,
  gridStart: number,
  signStart: number,
): void {
  for (let i = 0; i < 4; i++) out[to + i] = scale * (grid[gridStart + i]! * SIGNS[signStart + i]!);
}
