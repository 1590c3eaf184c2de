import { loadHalf } from "./half";
import { fourFours, gridIQ3_S, storeSigned } from "./iq/decode";

/** Twin of src/types/iq3_s.ts. */
export function dequantizeIQ3_S(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 110) {
    const d = loadHalf(bytes);
    for (let sub: usize = 0; sub < 8; sub++, out += 128) {
      const code = (<u32>load<u8>(bytes + (sub >> 1), 106) >> (4 * (<u32>sub & 1))) & 15;
      const scale = f32x4.splat(d * <f32>(<i32>(2 * code + 1)));
      const high = <u32>load<u8>(bytes + sub, 66);
      const signs = load<u32>(bytes + 4 * sub, 74);
      storeSigned(out, groups(load<u32>(bytes + 8 * sub, 2), high), signs & 0xffff, scale);
      storeSigned(out + 64, groups(load<u32>(bytes + 8 * sub, 6), high >> 4), signs >> 16, scale);
    }
  }
}

// @ts-ignore: decorator
@inline
function groups(codes: u32, high: u32): v128 {
  return fourFours(
    gridIQ3_S,
    (codes & 255) | ((high & 1) << 8),
    ((codes >> 8) & 255) | ((high & 2) << 7),
    ((codes >> 16) & 255) | ((high & 4) << 6),
    (codes >> 24) | ((high & 8) << 5),
  );
}
