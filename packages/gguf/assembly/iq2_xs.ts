import { loadHalf } from "./half";
import { evenSigns, gridIQ2_XS, storeSigned, twoEights } from "./iq/decode";

/** Twin of src/types/iq2_xs.ts. */
export function dequantizeIQ2_XS(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 74) {
    const d = loadHalf(bytes);
    for (let sub: usize = 0; sub < 16; sub++, out += 64) {
      const code = (<u32>load<u8>(bytes + (sub >> 1), 66) >> (4 * (<u32>sub & 1))) & 15;
      const scale = f32x4.splat(d * (<f32>0.5 + <f32>(<i32>code)) * <f32>0.25);
      const q = load<u32>(bytes + 4 * sub, 2);
      const signs = evenSigns(q >> 9) | (evenSigns(q >> 25) << 8);
      storeSigned(out, twoEights(gridIQ2_XS, q & 511, (q >> 16) & 511), signs, scale);
    }
  }
}
