import { loadHalf, storeHalf } from "./half";
import { codebookIQ3_S } from "./iq/codebooks";
import { fourFours, gridIQ3_S, storeSigned } from "./iq/decode";
import {
  ALL_IF_MISSING,
  beginBlock,
  codes,
  fitFours,
  isUnusual,
  scaleCode,
  signs,
  splitSigns,
  squareWeights,
  weights,
} from "./iq/grid-fit";
import { addSquares, importanceWeights } from "./sub-block-lanes";

/** Twin of src/types/iq3_s.ts. */
export function dequantizeIQ3_S(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 110) {
    const d = loadHalf(bytes);
    for (let sub: usize = 0; sub < 8; sub++, out += 128) {
      const code = (<u32>load<u8>(bytes + (sub >> 1), 106) >> (4 * (<u32>sub & 1))) & 15;
      const scale = f32x4.splat(d * <f32>(<i32>(2 * code + 1)));
      const high = <u32>load<u8>(bytes + sub, 66);
      const signs = load<u32>(bytes + 4 * sub, 74);
      storeSigned(out, groups(load<u32>(bytes + 8 * sub, 2), high), signs & 0xffff, scale);
      storeSigned(out + 64, groups(load<u32>(bytes + 8 * sub, 6), high >> 4), signs >> 16, scale);
    }
  }
}

// @ts-ignore: decorator
@inline
function groups(codes: u32, high: u32): v128 {
  return fourFours(
    gridIQ3_S,
    (codes & 255) | ((high & 1) << 8),
    ((codes >> 8) & 255) | ((high & 2) << 7),
    ((codes >> 16) & 255) | ((high & 4) << 6),
    (codes >> 24) | ((high & 8) << 5),
  );
}

const scales: usize = memory.data(32);

export function quantizeIQ3_S(values: usize, blocks: i32, out: usize): i32 {
  return quantizeWeightedIQ3_S(values, blocks, out, 0, 0);
}

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ3_S(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 110) {
    if (!quantizeBlock(values, out, importance)) return blocks;
    if (importance != 0) importance += 1024;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  beginBlock();
  memory.fill(out, 0, 110);
  const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
  let maxScale: f32 = 0;
  // after an all-zero sub-block, the next one is stored too early in qs and signs, as the codec explains
  let written: usize = 0;
  for (let sub: usize = 0; sub < 8; sub++) {
    const from = values + 128 * sub;
    store<f32>(scales + 4 * sub, 0);
    if (importance != 0) importanceWeights(from, 32, variance, importance + 128 * sub, weights);
    else squareWeights(from, 32);
    const max = splitSigns(from, 32);
    if (isUnusual) return false;
    if (!(max > 0)) continue;
    let scale = fitFours(codebookIQ3_S, 9, ALL_IF_MISSING, max, max / 15);
    if (isUnusual) return false;
    let flip: u32 = 0;
    if (scale < 0) {
      scale = -scale;
      flip = 0xffffffff;
    }
    store<f32>(scales + 4 * sub, scale);
    maxScale = scale > maxScale ? scale : maxScale;
    for (let group: usize = 0; group < 8; group++) {
      store<u8>(out + 8 * written + group, load<u8>(codes + 2 * group), 2);
    }
    const high = i16x8.bitmask(i16x8.shl(v128.load(codes), 7));
    store<u8>(out + sub, <u8>high, 66);
    store<u32>(out + 4 * written, load<u32>(signs) ^ flip, 74);
    written++;
  }
  if (maxScale == 0) return true;
  const d: f32 = maxScale / 31;
  storeHalf(out, d * <f32>1.033);
  const inverse: f32 = <f32>1 / d;
  for (let pair: usize = 0; pair < 4; pair++) {
    const low = scaleCode(inverse, load<f32>(scales + 8 * pair));
    const high = scaleCode(inverse, load<f32>(scales + 8 * pair, 4));
    store<u8>(out + pair, low | (high << 4), 106);
  }
  return true;
}
