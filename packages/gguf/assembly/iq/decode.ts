/**
 * Twin of src/types/iq/decode.ts: groups of a grid with signs, 16 weights at a time. src/kernels/module.ts fills the
 * grids.
 */
import { storeScaled } from "../lanes";

/** Values of each code's group, a byte each. */
export const gridIQ2_XXS: usize = memory.data(256 * 8);
export const gridIQ2_XS: usize = memory.data(512 * 8);
export const gridIQ2_S: usize = memory.data(1024 * 8);
export const gridIQ3_XXS: usize = memory.data(256 * 4);
export const gridIQ3_S: usize = memory.data(512 * 4);

/** Eight times the values, of IQ1_S and IQ1_M. */
export const gridIQ1: usize = memory.data(2048 * 8);

export function tableIQ2_XXS(): usize {
  return gridIQ2_XXS;
}
export function tableIQ2_XS(): usize {
  return gridIQ2_XS;
}
export function tableIQ2_S(): usize {
  return gridIQ2_S;
}
export function tableIQ3_XXS(): usize {
  return gridIQ3_XXS;
}
export function tableIQ3_S(): usize {
  return gridIQ3_S;
}
export function tableIQ1(): usize {
  return gridIQ1;
}

/** Which bit of its sign byte belongs to each of 16 weights. */
// prettier-ignore
const bits = memory.data<u8>([1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128]);

/** 16 grid values times `scale`, with the signs of two bytes. */
// @ts-ignore: decorator
@inline
export function storeSigned(out: usize, magnitudes: v128, signs: u32, scale: v128): void {
  const halves = i16x8.splat(<i16>signs);
  const spread = v128.shuffle<i8>(halves, halves, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
  const mask = v128.load(bits);
  const isNegative = i8x16.eq(v128.and(spread, mask), mask);
  storeScaled(out, i8x16.sub(v128.xor(magnitudes, isNegative), isNegative), scale);
}

/** The sign byte of a 7-bit code: the number of negative weights is even. */
// @ts-ignore: decorator
@inline
export function evenSigns(code: u32): u32 {
  const seven = code & 127;
  return seven | ((popcnt(seven) & 1) << 7);
}

/** Two groups of eight. */
// @ts-ignore: decorator
@inline
export function twoEights(grid: usize, first: u32, second: u32): v128 {
  return v128.load64_lane(grid + (<usize>second << 3), v128.load64_zero(grid + (<usize>first << 3)), 1);
}

/** Four groups of four. */
// @ts-ignore: decorator
@inline
export function fourFours(grid: usize, a: u32, b: u32, c: u32, d: u32): v128 {
  let groups = v128.load32_zero(grid + (<usize>a << 2));
  groups = v128.load32_lane(grid + (<usize>b << 2), groups, 1);
  groups = v128.load32_lane(grid + (<usize>c << 2), groups, 2);
  return v128.load32_lane(grid + (<usize>d << 2), groups, 3);
}
