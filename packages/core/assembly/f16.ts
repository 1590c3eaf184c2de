import { narrowToHalves, widenHalves } from "./half";

/** Twin of src/numeric/f16.ts. Each function does `count` weights. */
export function dequantizeF16(bytes: usize, count: i32, out: usize): void {
  widenHalves(bytes, count, out);
}

export function quantizeF16(values: usize, count: i32, out: usize): void {
  const end = values + ((<usize>count) << 2);
  const vectorEnd = values + ((<usize>(count & ~15)) << 2);
  for (; values < vectorEnd; values += 64, out += 32) {
    v128.store(
      out,
      i16x8.narrow_i32x4_u(narrowToHalves(v128.load(values)), narrowToHalves(v128.load(values, 16))),
    );
    v128.store(
      out,
      i16x8.narrow_i32x4_u(narrowToHalves(v128.load(values, 32)), narrowToHalves(v128.load(values, 48))),
      16,
    );
  }
  for (; values < end; values += 4, out += 2) {
    store<u16>(out, <u16>i32x4.extract_lane(narrowToHalves(v128.load32_splat(values)), 0));
  }
}
