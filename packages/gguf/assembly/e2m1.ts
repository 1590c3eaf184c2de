/**
 * Twin of src/types/e2m1.ts. The code nearest to a magnitude m under scale d is the number of borders below m, which lie
 * halfway between the values: d/2, 3d/2, 5d/2, 7d/2, 5d, 7d, 10d. Around a border the codec's differences are exact, so
 * this gives the codec's choice, unless m is so much larger than d that all differences round to m.
 */

// prettier-ignore
const table = memory.data<i8>([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12]);

// prettier-ignore
const borders = memory.data<f32>([
  0.5, 0.5, 0.5, 0.5,
  1.5, 1.5, 1.5, 1.5,
  2.5, 2.5, 2.5, 2.5,
  3.5, 3.5, 3.5, 3.5,
  5, 5, 5, 5,
  7, 7, 7, 7,
  10, 10, 10, 10,
]);

// prettier-ignore
const constants = memory.data<u32>([
  0x80000000, 0x80000000, 0x80000000, 0x80000000,
  0x00000008, 0x00000008, 0x00000008, 0x00000008,
]);

/** Twice the value of each code. */
// @ts-ignore: decorator
@inline
export function e2m1Values(): v128 {
  return v128.load(table);
}

/** Codes of four values, in 32-bit lanes. */
// @ts-ignore: decorator
@inline
function nearestFour(values: v128, d: v128): v128 {
  const magnitude = v128.andnot(values, v128.load(constants));
  let code = f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders)));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 16))));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 32))));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 48))));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 64))));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 80))));
  code = i32x4.add(code, f32x4.gt(magnitude, f32x4.mul(d, v128.load(borders, 96))));
  const isNegative = v128.and(i32x4.shr_s(values, 31), i32x4.ne(code, i32x4.splat(0)));
  return i32x4.sub(v128.and(isNegative, v128.load(constants, 16)), code);
}

/** Codes of 16 values, as bytes. */
// @ts-ignore: decorator
@inline
export function nearestSixteen(values: usize, d: v128): v128 {
  return i8x16.narrow_i16x8_u(
    i16x8.narrow_i32x4_s(nearestFour(v128.load(values), d), nearestFour(v128.load(values, 16), d)),
    i16x8.narrow_i32x4_s(nearestFour(v128.load(values, 32), d), nearestFour(v128.load(values, 48), d)),
  );
}

/** The codec's own comparison, for magnitudes far above the scale. */
export function nearestE2m1(value: f32, d: f32): u32 {
  const magnitude = abs(value);
  let best: u32 = 0;
  let bestError = magnitude;
  for (let code: u32 = 1; code < 8; code++) {
    const error = abs(<f32>load<i8>(table + code) * d - magnitude);
    if (error < bestError) {
      best = code;
      bestError = error;
    }
  }
  return best != 0 && value < 0 ? best + 8 : best;
}
