import { bytesOf3 } from "./lanes";

/** Twin of src/types/two-bit-planes.ts: 256 codes to 64 bytes. */
// @ts-ignore: decorator
@inline
export function packTwoBitPlanes(codes: usize, out: usize): void {
  const mask = bytesOf3();
  for (let part: usize = 0; part < 64; part += 16) {
    const from = codes + (part & 16) + ((part & 32) << 2);
    const a = v128.and(v128.load(from), mask);
    const b = v128.and(v128.load(from, 32), mask);
    const c = v128.and(v128.load(from, 64), mask);
    const d = v128.and(v128.load(from, 96), mask);
    const low = v128.or(a, i16x8.shl(b, 2));
    const high = v128.or(i16x8.shl(c, 4), i16x8.shl(d, 6));
    v128.store(out + part, v128.or(low, high));
  }
}
