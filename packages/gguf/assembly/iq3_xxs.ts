import { loadHalf, storeHalf } from "./half";
import { codebookIQ3_XXS } from "./iq/codebooks";
import { evenSigns, fourFours, gridIQ3_XXS, storeSigned } from "./iq/decode";
import {
  beginBlock,
  codes,
  fitFours,
  isUnusual,
  MISSING,
  scaleCode,
  signs,
  splitEvenSigns,
  squareWeights,
  weights,
} from "./iq/grid-fit";
import { addSquares, importanceWeights } from "./sub-block-lanes";

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

const scales: usize = memory.data(32);

export function quantizeIQ3_XXS(values: usize, blocks: i32, out: usize): i32 {
  return quantizeWeightedIQ3_XXS(values, blocks, out, 0, 0);
}

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ3_XXS(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 98) {
    if (!quantizeBlock(values, out, importance)) return blocks;
    if (importance != 0) importance += 1024;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  beginBlock();
  memory.fill(out, 0, 98);
  const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 8; sub++) {
    const from = values + 128 * sub;
    store<f32>(scales + 4 * sub, 0);
    if (importance != 0) importanceWeights(from, 32, variance, importance + 128 * sub, weights);
    else squareWeights(from, 32);
    const max = splitEvenSigns(from, 32);
    if (isUnusual) return false;
    if (max < <f32>1e-8) continue;
    let scale = fitFours(codebookIQ3_XXS, 15, MISSING, max, max / 15);
    if (isUnusual) return false;
    let flip: u32 = 0;
    if (scale < 0) {
      scale = -scale;
      flip = 0x0fffffff;
    }
    store<f32>(scales + 4 * sub, scale);
    maxScale = scale > maxScale ? scale : maxScale;
    const found = v128.load(codes);
    v128.store64_lane(out + 8 * sub, i8x16.narrow_i16x8_u(found, found), 0, 2);
    const packed = load<u32>(signs);
    const signCodes =
      (packed & 127) | ((packed & 0x7f00) >> 1) | ((packed & 0x7f0000) >> 2) | ((packed & 0x7f000000) >> 3);
    store<u32>(out + 4 * sub, signCodes ^ flip, 66);
  }
  if (maxScale == 0) {
    memory.fill(out, 0, 98);
    return true;
  }
  const d: f32 = maxScale / 31;
  storeHalf(out, d * <f32>1.0125);
  const inverse: f32 = <f32>1 / d;
  for (let sub: usize = 0; sub < 8; sub++) {
    const at = out + 4 * sub;
    store<u8>(at, <u32>load<u8>(at, 69) | (scaleCode(inverse, load<f32>(scales + 4 * sub)) << 4), 69);
  }
  return true;
}
