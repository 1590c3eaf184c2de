/** What the kernels of hidden grids are told, and what they write. */

/** Groups of floats. The fields of this class are those of `placeGroups` in src/kernels/hidden-groups.ts, in the same order. */
@unmanaged
export class HiddenGroups {
  /** f32, group after group. */
  values: usize;
  count: i32;
  /** Floats of a group. */
  length: i32;
  /** Bits that an f32 has more than the floats' type: 0, 13 or 16. */
  dropped: i32;
  /** Smallest normal number of the type, as f32 bits. */
  leastNormal: i32;
  /** Five f64 for each group: how, scale, smallest and largest level, floats that are not 0. */
  out: usize;
  /** The factor of NVFP4 scales, as f32 bits; 0: scales are powers of two, or the kernel takes no factor. */
  factor: i32;
  /** Not 0: NVFP4 scales are E4M3 numbers; else numbers of four bits. */
  isBounded: i32;
}

export const LEFT = 0.0;
export const EXACT = 1.0;
export const ROUNDED = 2.0;

export const FIT_BYTES = 40;

export function writeFit(out: usize, how: f64, scale: f64, lowest: f64, highest: f64): void {
  store<f64>(out, how);
  store<f64>(out, scale, 8);
  // no level is −0
  store<f64>(out, lowest + 0, 16);
  store<f64>(out, highest + 0, 24);
}

export function writeNonzero(out: usize, count: i32): void {
  store<f64>(out, <f64>count, 32);
}
