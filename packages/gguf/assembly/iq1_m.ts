import { loadHalf } from "./half";
import { gridIQ1, twoEights } from "./iq/decode";
import { storeScaled } from "./lanes";

const half: usize = memory.data(2);

/** An eighth up (1) or down (−1) for each of 16 weights, by the shift bits of the two eights. */
// prettier-ignore
const shifts = memory.data<i8>([
  1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
  -1, -1, -1, -1, -1, -1, -1, -1, 1, 1, 1, 1, 1, 1, 1, 1,
  1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1,
  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1,
]);

/** Twin of src/types/iq1_m.ts. */
export function dequantizeIQ1_M(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 56) {
    const low = load<u32>(bytes, 48);
    const high = load<u32>(bytes, 52);
    const nibbles = ((low >> 12) & 15) | ((low >> 24) & 0xf0) | ((high >> 4) & 0xf00) | ((high >> 16) & 0xf000);
    store<u16>(half, <u16>nibbles);
    const d = loadHalf(half) * <f32>0.125;
    for (let sub: usize = 0; sub < 16; sub++, out += 64) {
      const s = (<u32>load<u16>(bytes + ((sub >> 2) << 1), 48) >> (3 * (<u32>sub & 3))) & 7;
      const scale = f32x4.splat(d * <f32>(<i32>(2 * s + 1)));
      const qh = <u32>load<u8>(bytes + sub, 32);
      const q = <u32>load<u16>(bytes + 2 * sub);
      const groups = twoEights(gridIQ1, (q & 255) | ((qh & 7) << 8), (q >> 8) | ((qh & 0x70) << 4));
      const shift = v128.load(shifts + ((((qh >> 3) & 1) | ((qh >> 6) & 2)) << 4));
      storeScaled(out, i8x16.add(groups, shift), scale);
    }
  }
}
