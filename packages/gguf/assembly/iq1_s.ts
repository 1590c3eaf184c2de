import { loadHalf } from "./half";
import { gridIQ1, twoEights } from "./iq/decode";
import { storeScaled } from "./lanes";

/** Twin of src/types/iq1_s.ts. */
export function dequantizeIQ1_S(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 50) {
    const d = loadHalf(bytes) * <f32>0.125;
    for (let sub: usize = 0; sub < 8; sub++, out += 128) {
      const qh = <u32>load<u16>(bytes + 2 * sub, 34);
      const q = load<u32>(bytes + 4 * sub, 2);
      const scale = f32x4.splat(d * <f32>(<i32>(2 * ((qh >> 12) & 7) + 1)));
      // an eighth up or down: one, since all is eightfold
      const shift = i8x16.splat(qh & 0x8000 ? -1 : 1);
      const a = twoEights(gridIQ1, (q & 255) | ((qh & 7) << 8), ((q >> 8) & 255) | ((qh & 0x38) << 5));
      const b = twoEights(gridIQ1, ((q >> 16) & 255) | ((qh & 0x1c0) << 2), (q >> 24) | ((qh & 0xe00) >> 1));
      storeScaled(out, i8x16.add(a, shift), scale);
      storeScaled(out + 64, i8x16.add(b, shift), scale);
    }
  }
}
