import { e2m1Values, nearestE2m1, nearestSixteen } from "./e2m1";
import { bytesOf15, storeScaled } from "./lanes";

/** Twin of src/types/nvfp4.ts. */
export function dequantizeNVFP4(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf15();
  const table = e2m1Values();
  for (const end = out + ((<usize>blocks) << 8); out < end; bytes += 36) {
    for (let s: usize = 0; s < 4; s++, out += 64) {
      const d = f32x4.splat(halfScale(load<u8>(bytes + s)));
      const qs = v128.load64_zero(bytes + 8 * s, 4);
      const codes = v128.shuffle<i64>(v128.and(qs, mask), v128.and(i16x8.shr_u(qs, 4), mask), 0, 2);
      storeScaled(out, i8x16.swizzle(table, codes), d);
    }
  }
}

/** Half the scale, since the code table is doubled. Bit 7 is ignored, except that only a plain 0x7F means 0. */
// @ts-ignore: decorator
@inline
function halfScale(code: u32): f32 {
  if (code == 0x7f) return 0;
  const magnitude = code & 0x7f;
  if (magnitude < 8) return <f32>(<i32>magnitude) * <f32>0.0009765625;
  // 2^(exponent − 8) × (1 + mantissa / 8)
  return reinterpret<f32>((magnitude << 20) + ((127 - 8) << 23));
}

export function quantizeNVFP4(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, out += 36) {
    for (let s: usize = 0; s < 4; s++, values += 64) {
      let a = f32x4.pmax(f32x4.splat(0), f32x4.abs(v128.load(values)));
      a = f32x4.pmax(a, f32x4.abs(v128.load(values, 16)));
      a = f32x4.pmax(a, f32x4.abs(v128.load(values, 32)));
      a = f32x4.pmax(a, f32x4.abs(v128.load(values, 48)));
      a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 2, 3, 0, 1));
      a = f32x4.pmax(a, v128.shuffle<i32>(a, a, 1, 0, 3, 2));
      const absMax = f32x4.extract_lane(a, 0);
      const scale = encodeScale(absMax / 6);
      store<u8>(out + s, <u8>scale);
      const d = halfScale(scale);
      if (d > 0 && absMax < <f32>65536) {
        const codes = nearestSixteen(values, f32x4.splat(d));
        const bytes = v128.or(codes, v128.shuffle<i64>(i8x16.shl(codes, 4), codes, 1, 1));
        v128.store64_lane(out + 8 * s, bytes, 0, 4);
      } else {
        for (let l: usize = 0; l < 8; l++) {
          const low = nearestE2m1(load<f32>(values + 4 * l), d);
          const high = nearestE2m1(load<f32>(values + 4 * l, 32), d);
          store<u8>(out + 8 * s + l, <u8>(low | (high << 4)), 4);
        }
      }
    }
  }
}

/** The nearest E4M3 code, ties away from zero; values from 256 on become 448 (0x7E), as in ggml. */
function encodeScale(value: f32): u32 {
  if (!(value > 0)) return 0;
  const bounded = value < 448 ? value : <f32>448;
  const bits = reinterpret<i32>(bounded);
  const exponent = (bits >> 23) - 127 + 7;
  if (exponent <= 0) return <u32>min(7, <i32>(bounded * <f32>512 + <f32>0.5));
  if (exponent >= 15) return 0x7e;
  // The bit below the mantissa rounds; a carry runs into the exponent by itself.
  const code = (exponent << 3) + ((bits >> 20) & 7) + ((bits >> 19) & 1);
  return code < 0x78 ? <u32>code : 0x7e;
}
