/** Blocks of Q4_K as a view: twin of `unpackBlock` of the type in src/view/super-block-types.ts. */
import { loadHalf } from "./half";
import { bytesOf15 } from "./lanes";

const BLOCK_BYTES = 144;
/** Sub-blocks of a block. */
const PARTS = 8;

/** `numbers`: d of each block, then eight scales of each block, then eight biases of each block, all f32. */
export function unpackQ4_K(bytes: usize, blocks: i32, codes: usize, numbers: usize): void {
  const mask = bytesOf15();
  let scales = numbers + 4 * <usize>blocks;
  let biases = scales + 4 * PARTS * <usize>blocks;
  for (; blocks > 0; blocks--, bytes += BLOCK_BYTES, codes += 256, numbers += 4, scales += 32, biases += 32) {
    store<f32>(numbers, loadHalf(bytes));
    const low = load<u32>(bytes, 4);
    const middle = load<u32>(bytes, 8);
    const high = load<u32>(bytes, 12);
    const negative = f32x4.neg(f32x4.splat(loadHalf(bytes, 2)));
    // six bits each: the upper four numbers have their two upper bits with the lower four
    v128.store(scales, fourFloats(low & 0x3f3f3f3f));
    v128.store(scales, fourFloats((high & 0x0f0f0f0f) | ((low >> 2) & 0x30303030)), 16);
    v128.store(biases, f32x4.mul(negative, fourFloats(middle & 0x3f3f3f3f)));
    v128.store(biases, f32x4.mul(negative, fourFloats(((high >> 4) & 0x0f0f0f0f) | ((middle >> 2) & 0x30303030))), 16);
    for (let pair: usize = 0; pair < 128; pair += 32) {
      const a = v128.load(bytes + pair, 16);
      const b = v128.load(bytes + pair, 32);
      const to = codes + 2 * pair;
      v128.store(to, v128.and(a, mask));
      v128.store(to, v128.and(b, mask), 16);
      v128.store(to, v128.and(i16x8.shr_u(a, 4), mask), 32);
      v128.store(to, v128.and(i16x8.shr_u(b, 4), mask), 48);
    }
  }
}

/** The four bytes of a word. */
// @ts-ignore: decorator
@inline
function fourFloats(word: u32): v128 {
  const halves = i16x8.extend_low_i8x16_u(i32x4.splat(word));
  return f32x4.convert_i32x4_u(i32x4.extend_low_i16x8_u(halves));
}
