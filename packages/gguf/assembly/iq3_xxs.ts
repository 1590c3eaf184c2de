import { loadHalf } from "./half";
import { evenSigns, fourFours, gridIQ3_XXS, storeSigned } from "./iq/decode";

/** Twin of src/types/iq3_xxs.ts. */
export function dequantizeIQ3_XXS(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 98) {
    const d = loadHalf(bytes);
    for (let sub: usize = 0; sub < 32; sub += 4, out += 128) {
      const signCodes = load<u32>(bytes + sub, 66);
      const scale = f32x4.splat(d * (<f32>0.5 + <f32>(<i32>(signCodes >> 28))) * <f32>0.5);
      const first = evenSigns(signCodes) | (evenSigns(signCodes >> 7) << 8);
      const second = evenSigns(signCodes >> 14) | (evenSigns(signCodes >> 21) << 8);
      storeSigned(out, groups(load<u32>(bytes + 2 * sub, 2)), first, scale);
      storeSigned(out + 64, groups(load<u32>(bytes + 2 * sub, 6)), second, scale);
    }
  }
}

// @ts-ignore: decorator
@inline
function groups(codes: u32): v128 {
  return fourFours(gridIQ3_XXS, codes & 255, (codes >> 8) & 255, (codes >> 16) & 255, codes >> 24);
}
