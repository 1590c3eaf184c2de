import { loadHalf, storeHalf } from "./half";
import { codebookIQ2_S } from "./iq/codebooks";
import { gridIQ2_S, storeSigned, twoEights } from "./iq/decode";
import { beginBlock, codes, fitEights, isUnusual, MISSING, scaleCode, signs, splitSigns, weights } from "./iq/grid-fit";
import { addSquares, importanceWeights } from "./sub-block-lanes";

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

const scales: usize = memory.data(64);

export function quantizeIQ2_S(values: usize, blocks: i32, out: usize): i32 {
  return quantizeWeightedIQ2_S(values, blocks, out, 0, 0);
}

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ2_S(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 82) {
    if (!quantizeBlock(values, out, importance)) return blocks;
    if (importance != 0) importance += 1024;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  beginBlock();
  memory.fill(out, 0, 82);
  const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 16; sub++) {
    const from = values + 64 * sub;
    store<f32>(scales + 4 * sub, 0);
    if (importance != 0) importanceWeights(from, 16, variance, importance + 64 * sub, weights);
    else {
      const base = f32x4.splat(<f32>0.25 * variance);
      for (let at: usize = 0; at < 64; at += 16) {
        const x = v128.load(from + at);
        v128.store(weights + at, f32x4.add(base, f32x4.mul(x, x)));
      }
    }
    const max = splitSigns(from, 16);
    if (isUnusual) return false;
    if (max < <f32>1e-8) continue;
    let scale = fitEights(codebookIQ2_S, 2, 9, MISSING, max, max / 5);
    if (isUnusual) return false;
    let flip: u32 = 0;
    if (scale < 0) {
      scale = -scale;
      flip = 0xffff;
    }
    store<f32>(scales + 4 * sub, scale);
    maxScale = scale > maxScale ? scale : maxScale;
    const first = <u32>load<u16>(codes);
    const second = <u32>load<u16>(codes, 2);
    store<u16>(out + 2 * sub, (first & 255) | (second << 8), 2);
    store<u16>(out + 2 * sub, <u32>load<u16>(signs) ^ flip, 34);
    const high = (first >> 8) | ((second >> 8) << 2);
    const at = out + (sub >> 1);
    store<u8>(at, <u32>load<u8>(at, 66) | (high << (4 * (<u32>sub & 1))), 66);
  }
  if (maxScale == 0) return true;
  const d: f32 = maxScale / 31;
  storeHalf(out, d * <f32>0.9875);
  const inverse: f32 = <f32>1 / d;
  for (let pair: usize = 0; pair < 8; pair++) {
    const low = scaleCode(inverse, load<f32>(scales + 8 * pair));
    const high = scaleCode(inverse, load<f32>(scales + 8 * pair, 4));
    store<u8>(out + pair, low | (high << 4), 74);
  }
  return true;
}
