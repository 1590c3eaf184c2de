import { loadHalf } from "./half";
import { gridIQ2_S, storeSigned, twoEights } from "./iq/decode";

/** Twin of src/types/iq2_s.ts. */
export function dequantizeIQ2_S(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 82) {
    const d = loadHalf(bytes);
    for (let sub: usize = 0; sub < 16; sub++, out += 64) {
      const code = (<u32>load<u8>(bytes + (sub >> 1), 74) >> (4 * (<u32>sub & 1))) & 15;
      const scale = f32x4.splat(d * (<f32>0.5 + <f32>(<i32>code)) * <f32>0.25);
      const q = <u32>load<u16>(bytes + 2 * sub, 2);
      const high = (<u32>load<u8>(bytes + (sub >> 1), 66)) >> (4 * (<u32>sub & 1));
      const first = (q & 255) | ((high & 3) << 8);
      const second = (q >> 8) | ((high & 12) << 6);
      storeSigned(out, twoEights(gridIQ2_S, first, second), load<u16>(bytes + 2 * sub, 34), scale);
    }
  }
}
