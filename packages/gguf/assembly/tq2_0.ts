import { loadHalf, storeHalf } from "./half";
import { bytesOf1, bytesOf3, storeScaled } from "./lanes";
import { largestMagnitude, trits } from "./ternary-rounding";

/** Twin of src/types/tq2_0.ts. */
export function dequantizeTQ2_0(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf3();
  const one = bytesOf1();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 66, out += 1024) {
    const d = f32x4.splat(loadHalf(bytes, 64));
    for (let part: usize = 0; part < 64; part += 16) {
      const qs = v128.load(bytes + part);
      const to = out + ((part & 32) << 4) + ((part & 16) << 2);
      storeScaled(to, i8x16.sub(v128.and(qs, mask), one), d);
      storeScaled(to + 128, i8x16.sub(v128.and(i16x8.shr_u(qs, 2), mask), one), d);
      storeScaled(to + 256, i8x16.sub(v128.and(i16x8.shr_u(qs, 4), mask), one), d);
      storeScaled(to + 384, i8x16.sub(v128.and(i16x8.shr_u(qs, 6), mask), one), d);
    }
  }
}

export function quantizeTQ2_0(values: usize, blocks: i32, out: usize): void {
  const mask = bytesOf3();
  for (; blocks > 0; blocks--, values += 1024, out += 66) {
    const d = largestMagnitude(values);
    const inverse = f32x4.splat(d != 0 ? <f32>1 / d : 0);
    for (let part: usize = 0; part < 64; part += 16) {
      const from = values + ((part & 32) << 4) + ((part & 16) << 2);
      const q0 = v128.and(trits(from, inverse), mask);
      const q1 = i16x8.shl(v128.and(trits(from + 128, inverse), mask), 2);
      const q2 = i16x8.shl(v128.and(trits(from + 256, inverse), mask), 4);
      const q3 = i16x8.shl(v128.and(trits(from + 384, inverse), mask), 6);
      v128.store(out + part, v128.or(v128.or(q0, q1), v128.or(q2, q3)));
    }
    storeHalf(out, d, 64);
  }
}
