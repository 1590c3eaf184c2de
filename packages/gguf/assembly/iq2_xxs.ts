import { loadHalf, storeHalf } from "./half";
import { codebookIQ2_XXS } from "./iq/codebooks";
import { evenSigns, gridIQ2_XXS, storeSigned, twoEights } from "./iq/decode";
import {
  ALL,
  beginBlock,
  codes,
  fitEights,
  isUnusual,
  magnitudes,
  scaleCode,
  signs,
  splitEvenSigns,
  weights,
} from "./iq/grid-fit";
import { searchPositiveScales } from "./positive-search";
import {
  addSquares,
  scales as firstScales,
  importanceWeights,
  transpose,
  values as transposed,
  WEIGHTS,
} from "./sub-block-lanes";

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

const scales: usize = memory.data(32);

/** Magnitudes and weights of the whole block, before they go to lanes. */
const allMagnitudes: usize = memory.data(1024);
const allWeights: usize = memory.data(1024);

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ2_XXS(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 66, importance += 1024) {
    if (!quantizeBlock(values, out, importance)) return blocks;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  beginBlock();
  memory.fill(out, 0, 66);
  const variance: f32 = addSquares(values, 256, 0) / 256;
  for (let sub: usize = 0; sub < 8; sub++) {
    importanceWeights(values + 128 * sub, 32, variance, importance + 128 * sub, weights);
    splitEvenSigns(values + 128 * sub, 32);
    if (isUnusual) return false;
    memory.copy(allMagnitudes + 128 * sub, magnitudes, 128);
    memory.copy(allWeights + 128 * sub, weights, 128);
  }
  transpose(allMagnitudes, 32, 2, transposed);
  transpose(allWeights, 32, 2, transposed + WEIGHTS);
  searchPositiveScales(2, 32, 4);
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 8; sub++) {
    const from = values + 128 * sub;
    store<f32>(scales + 4 * sub, 0);
    memory.copy(weights, allWeights + 128 * sub, 128);
    if (splitEvenSigns(from, 32) < <f32>1e-15) continue;
    const firstScale = load<f32>(firstScales + 4 * sub);
    const reach = firstScale * 3;
    if (reach <= 0) continue;
    let scale = fitEights(codebookIQ2_XXS, 4, 6, ALL, reach, firstScale);
    if (isUnusual) return false;
    let flip: u32 = 0;
    if (scale < 0) {
      scale = -scale;
      flip = 0x0fffffff;
    }
    store<f32>(scales + 4 * sub, scale);
    maxScale = scale > maxScale ? scale : maxScale;
    const packed = load<u32>(signs);
    const signCodes =
      (packed & 127) | ((packed & 0x7f00) >> 1) | ((packed & 0x7f0000) >> 2) | ((packed & 0x7f000000) >> 3);
    for (let group: usize = 0; group < 4; group++) {
      store<u8>(out + 8 * sub + group, load<u8>(codes + 2 * group), 2);
    }
    store<u32>(out + 8 * sub, signCodes ^ flip, 6);
  }
  if (maxScale == 0) {
    memory.fill(out, 0, 66);
    return true;
  }
  const d: f32 = maxScale / 31;
  storeHalf(out, d);
  const inverse: f32 = <f32>1 / d;
  for (let sub: usize = 0; sub < 8; sub++) {
    const at = out + 8 * sub;
    store<u8>(at, <u32>load<u8>(at, 9) | (scaleCode(inverse, load<f32>(scales + 4 * sub)) << 4), 9);
  }
  return true;
}
