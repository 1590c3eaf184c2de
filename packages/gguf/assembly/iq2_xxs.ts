import { loadHalf } from "./half";
import { evenSigns, gridIQ2_XXS, storeSigned, twoEights } from "./iq/decode";

/** Twin of src/types/iq2_xxs.ts. */
export function dequantizeIQ2_XXS(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 66) {
    const d = loadHalf(bytes);
    for (let q = bytes + 2; q < bytes + 66; q += 8, out += 128) {
      const codes = load<u32>(q);
      const signCodes = load<u32>(q, 4);
      const scale = f32x4.splat(d * (<f32>0.5 + <f32>(<i32>(signCodes >> 28))) * <f32>0.25);
      const first = evenSigns(signCodes) | (evenSigns(signCodes >> 7) << 8);
      const second = evenSigns(signCodes >> 14) | (evenSigns(signCodes >> 21) << 8);
      storeSigned(out, twoEights(gridIQ2_XXS, codes & 255, (codes >> 8) & 255), first, scale);
      storeSigned(out + 64, twoEights(gridIQ2_XXS, (codes >> 16) & 255, codes >> 24), second, scale);
    }
  }
}
