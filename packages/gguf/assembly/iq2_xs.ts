import { loadHalf, storeHalf } from "./half";
import { codebookIQ2_XS } from "./iq/codebooks";
import { evenSigns, gridIQ2_XS, storeSigned, twoEights } from "./iq/decode";
import { beginBlock, codes, fitEights, isUnusual, MISSING, scaleCode, signs, splitEvenSigns, weights } from "./iq/grid-fit";
import { addSquares, importanceWeights } from "./sub-block-lanes";

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

const scales: usize = memory.data(64);

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ2_XS(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 74, importance += 1024) {
    if (!quantizeBlock(values, out, importance)) return blocks;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  beginBlock();
  memory.fill(out, 0, 74);
  const variance: f32 = addSquares(values, 256, 0) / 256;
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 16; sub++) {
    const from = values + 64 * sub;
    store<f32>(scales + 4 * sub, 0);
    importanceWeights(from, 16, variance, importance + 64 * sub, weights);
    const max = splitEvenSigns(from, 16);
    if (isUnusual) return false;
    if (max < <f32>1e-15) continue;
    let scale = fitEights(codebookIQ2_XS, 2, 9, MISSING, max, max / 5);
    if (isUnusual) return false;
    let flip: u32 = 0;
    if (scale < 0) {
      scale = -scale;
      flip = 127;
    }
    store<f32>(scales + 4 * sub, scale);
    maxScale = scale > maxScale ? scale : maxScale;
    for (let group: usize = 0; group < 2; group++) {
      const sign = <u32>load<u8>(signs + group) ^ flip;
      store<u16>(out + 4 * sub + 2 * group, <u32>load<u16>(codes + 2 * group) | (sign << 9), 2);
    }
  }
  if (maxScale == 0) {
    memory.fill(out, 0, 74);
    return true;
  }
  const d: f32 = maxScale / 31;
  storeHalf(out, d);
  const inverse: f32 = <f32>1 / d;
  for (let pair: usize = 0; pair < 8; pair++) {
    const low = scaleCode(inverse, load<f32>(scales + 8 * pair));
    const high = scaleCode(inverse, load<f32>(scales + 8 * pair, 4));
    store<u8>(out + pair, low | (high << 4), 66);
  }
  return true;
}
