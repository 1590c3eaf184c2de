import { loadHalf, storeHalf } from "./half";
import { gridIQ1, twoEights } from "./iq/decode";
import {
  assignLevels,
  CLEAR,
  levels,
  maxMagnitude,
  placeEight,
  rank,
  ranks,
  shifted,
  ternaryScaleCode,
  weights,
} from "./iq/ternary";
import { storeScaled } from "./lanes";
import { addSquares, importanceWeights } from "./sub-block-lanes";

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

const scales: usize = memory.data(64);

/** For each sub-block: bit 1 is set when its first eight weights are shifted down, bit 0 for its second eight. */
const shiftBits: usize = memory.data(64);

/** The weights of the whole super-block, for its scale. */
const allWeights: usize = memory.data(1024);
const allLevels: usize = memory.data(1024);

export function quantizeIQ1_M(values: usize, blocks: i32, out: usize): i32 {
  return quantizeWeightedIQ1_M(values, blocks, out, 0, 0);
}

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ1_M(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 56) {
    if (!quantizeBlock(values, out, importance)) return blocks;
    if (importance != 0) importance += 1024;
  }
  return 0;
}

// @ts-ignore: decorator
@inline
function shiftedBy(bits: i32, group: i32): usize {
  return shifted + ((<usize>(bits >> (1 - group)) & 1) << 4);
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  memory.fill(out, 0, 56);
  const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 16; sub++) {
    const from = values + 64 * sub;
    if (importance != 0) importanceWeights(from, 16, variance, importance + 64 * sub, weights);
    else {
      for (let at: usize = 0; at < 64; at += 16) {
        const x = v128.load(from + at);
        v128.store(weights + at, f32x4.mul(x, x));
      }
    }
    memory.copy(allWeights + 64 * sub, weights, 64);
    store<f32>(scales + 4 * sub, 0);
    store<i32>(shiftBits + 4 * sub, 0);
    const max = maxMagnitude(from, 16);
    if (isNaN(max)) return false;
    if (max < <f32>1e-7) {
      // Code 0 stays, whose levels are all 0.
      memory.fill(allLevels + 64 * sub, 0, 64);
      continue;
    }
    rank(from, 16);
    if (!findBestSplit(from)) return false;
    let scale = bestQx / bestQ2;
    let bits = splitShiftBits;
    assignLevels(16, split0, split1, scale < 0);
    if (scale < 0) {
      scale = -scale;
      bits = 3 - bits;
    }
    let moved = false;
    for (let group = 0; group < 2; group++) {
      let code = placeEight(from, 32 * group, scale, shiftedBy(bits, group));
      if (code < 0) {
        moved = true;
        code = -1 - code;
      }
      store<u8>(out + 2 * sub + group, <u8>code);
      store<u8>(out + sub, <i32>load<u8>(out + sub, 32) | ((code >> 8) << (4 * group)), 32);
    }
    if (moved) scale = refinedScale(from, bits, scale);
    memory.copy(allLevels + 64 * sub, levels, 64);
    store<f32>(scales + 4 * sub, scale);
    store<i32>(shiftBits + 4 * sub, bits);
    maxScale = scale > maxScale ? scale : maxScale;
  }
  if (maxScale == 0) return true;
  storeHalf(half, finishScales(values, maxScale, out) * <f32>1.1125);
  const d = <u32>load<u16>(half);
  for (let i: usize = 0; i < 4; i++) {
    store<u8>(out + 2 * i, <u32>load<u8>(out + 2 * i, 49) | (((d >> (4 * <u32>i)) & 15) << 4), 49);
  }
  return true;
}

/** Twin of `refinedScale`. */
function refinedScale(from: usize, bits: i32, scale: f32): f32 {
  let sumQx: f32 = 0;
  let sumQ2: f32 = 0;
  for (let at: usize = 0; at < 64; at += 4) {
    const q = load<f32>(shiftedBy(bits, <i32>(at >> 5)) + (<usize>load<u32>(levels + at) << 2));
    const weighted = load<f32>(weights + at) * q;
    sumQx += weighted * load<f32>(from + at);
    sumQ2 += weighted * q;
  }
  return sumQx > 0 && sumQ2 > 0 ? sumQx / sumQ2 : scale;
}

/** Twin of `finishScales`. */
function finishScales(values: usize, maxScale: f32, out: usize): f32 {
  const d: f32 = maxScale / 15;
  const inverse: f32 = <f32>1 / d;
  let sumQx: f32 = 0;
  let sumQ2: f32 = 0;
  for (let sub: usize = 0; sub < 16; sub++) {
    const code = ternaryScaleCode(inverse, load<f32>(scales + 4 * sub));
    const word = out + 2 * (sub >> 2);
    store<u16>(word, <u32>load<u16>(word, 48) | (code << (3 * (<u32>sub & 3))), 48);
    const bits = load<i32>(shiftBits + 4 * sub);
    const nibbles = (bits & 2 ? 0x08 : 0) | (bits & 1 ? 0x80 : 0);
    store<u8>(out + sub, <i32>load<u8>(out + sub, 32) | nibbles, 32);
    const factor = <f32>(<i32>(2 * code + 1));
    for (let at: usize = 64 * sub; at < 64 * sub + 64; at += 4) {
      const levelValues = shiftedBy(bits, <i32>(at >> 5) & 1);
      const q = load<f32>(levelValues + (<usize>load<u32>(allLevels + at) << 2)) * factor;
      const weighted = load<f32>(allWeights + at) * q;
      sumQx += weighted * load<f32>(values + at);
      sumQ2 += weighted * q;
    }
  }
  return sumQ2 > 0 ? sumQx / sumQ2 : d;
}

/**
 * As in the codec, but separate for the two eights: 17 numbers and three NaN, then the same for the second eight, `PART`
 * bytes further.
 */
const PART: usize = 80;
const sumX: usize = memory.data(160);
const sumW: usize = memory.data(160);
const first2Up: usize = memory.data(160);
const first2Down: usize = memory.data(160);
const second2Up: usize = memory.data(160);
const second2Down: usize = memory.data(160);

/** By rank: weight × value and weight, in the part of its eight; zero in the other part. */
const sortedX: usize = memory.data(128);
const sortedW: usize = memory.data(128);

/** sumQx of four splits, by shift bits; then their sumQ2. */
const trials: usize = memory.data(128);

let bestQx: f32 = 0;
let bestQ2: f32 = 0;
let split0: i32 = 0;
let split1: i32 = 0;
let splitShiftBits: i32 = 0;

/** Twin of `bestSplit`. False where numbers are too small for it. */
function findBestSplit(from: usize): bool {
  memory.fill(sortedX, 0, 128);
  memory.fill(sortedW, 0, 128);
  for (let at: usize = 0; at < 64; at += 4) {
    const to = (<usize>load<u32>(ranks + at) << 2) + ((at & 32) << 1);
    const weight = load<f32>(weights + at);
    store<f32>(sortedX + to, weight * load<f32>(from + at));
    store<f32>(sortedW + to, weight);
  }
  let x0: f32 = 0;
  let x1: f32 = 0;
  let w0: f32 = 0;
  let w1: f32 = 0;
  for (let at: usize = 0; at < 64; at += 4) {
    store<f32>(sumX + at, x0);
    store<f32>(sumX + at, x1, PART);
    store<f32>(sumW + at, w0);
    store<f32>(sumW + at, w1, PART);
    x0 += load<f32>(sortedX + at);
    x1 += load<f32>(sortedX + at, 64);
    w0 += load<f32>(sortedW + at);
    w1 += load<f32>(sortedW + at, 64);
  }
  const none = f32x4.splat(NaN);
  v128.store(sumX + 64, f32x4.replace_lane(none, 0, x0));
  v128.store(sumX + 64, f32x4.replace_lane(none, 0, x1), PART);
  v128.store(sumW + 64, f32x4.replace_lane(none, 0, w0));
  v128.store(sumW + 64, f32x4.replace_lane(none, 0, w1), PART);
  const all: f32 = w0 + w1;
  // this ensures that every sumQ2 is above zero
  if (!(all > <f32>1e-30)) return false;
  totalXUp0 = x0 * <f32>1.125;
  totalXUp1 = x1 * <f32>1.125;
  totalXDown0 = x0 * <f32>0.875;
  totalXDown1 = x1 * <f32>0.875;
  for (let part: usize = 0; part < 160; part += PART) {
    const total = part == 0 ? w0 : w1;
    const totalUp = f32x4.splat(total * <f32>1.125 * <f32>1.125);
    const totalDown = f32x4.splat(total * <f32>0.875 * <f32>0.875);
    for (let at = part; at < part + PART; at += 16) {
      const w = v128.load(sumW + at);
      v128.store(first2Up + at, f32x4.add(totalUp, f32x4.mul(w, f32x4.splat(0.75))));
      v128.store(first2Down + at, f32x4.add(totalDown, f32x4.mul(w, f32x4.splat(1.25))));
      v128.store(second2Up + at, f32x4.mul(w, f32x4.splat(-1.25)));
      v128.store(second2Down + at, f32x4.mul(w, f32x4.splat(-0.75)));
    }
  }
  // a first guess: about the best splits of a bell curve
  trySplits(16, 40);
  let guess: f32 = 0;
  for (let at: usize = 0; at < 64; at += 4) {
    const qx = load<f32>(trials + at);
    const score: f32 = (qx * qx) / load<f32>(trials + at, 64);
    guess = score > guess ? score : guess;
  }
  // below this limit, squares would lose their last bits
  const isClear = guess * all > <f32>1e-30 && search(false, guess * CLEAR * CLEAR * CLEAR);
  if (!isClear) search(true, -3.4028234663852886e38);
  return true;
}

let totalXUp0: f32 = 0;
let totalXUp1: f32 = 0;
let totalXDown0: f32 = 0;
let totalXDown1: f32 = 0;

/** The sums of the splits at `at0` / 4 and the four from `at1` / 4 on, to `trials`. */
// @ts-ignore: decorator
@inline
function trySplits(at0: usize, at1: usize): void {
  const x0 = f32x4.add(v128.load32_splat(sumX + at0), v128.load(sumX + at1));
  const x1 = f32x4.add(v128.load32_splat(sumX + at0, PART), v128.load(sumX + at1, PART));
  const xUp0 = f32x4.sub(f32x4.splat(totalXUp0), x0);
  const xUp1 = f32x4.sub(f32x4.splat(totalXUp1), x1);
  const xDown0 = f32x4.sub(f32x4.splat(totalXDown0), x0);
  const xDown1 = f32x4.sub(f32x4.splat(totalXDown1), x1);
  const up0 = f32x4.add(v128.load32_splat(first2Up + at0), v128.load(second2Up + at1));
  const up1 = f32x4.add(v128.load32_splat(first2Up + at0, PART), v128.load(second2Up + at1, PART));
  const down0 = f32x4.add(v128.load32_splat(first2Down + at0), v128.load(second2Down + at1));
  const down1 = f32x4.add(v128.load32_splat(first2Down + at0, PART), v128.load(second2Down + at1, PART));
  v128.store(trials, f32x4.add(xUp0, xUp1));
  v128.store(trials, f32x4.add(xUp0, xDown1), 16);
  v128.store(trials, f32x4.add(xDown0, xUp1), 32);
  v128.store(trials, f32x4.add(xDown0, xDown1), 48);
  v128.store(trials, f32x4.add(up0, up1), 64);
  v128.store(trials, f32x4.add(up0, down1), 80);
  v128.store(trials, f32x4.add(down0, up1), 96);
  v128.store(trials, f32x4.add(down0, down1), 112);
}

// @ts-ignore: decorator
@inline
function exceeds(limit: v128, at: usize): v128 {
  const qx = v128.load(trials + at);
  return f32x4.gt(f32x4.mul(qx, qx), f32x4.mul(limit, v128.load(trials + at, 64)));
}

/**
 * Every split under all four shifts. By the codec's rule from `best` on; or, not `exact`, for the one that is clearly best
 * and better than `best`: false if there is none.
 */
function search(exact: bool, best: f32): bool {
  let isClear = false;
  let limit = f32x4.splat(best);
  for (let at0: usize = 0; at0 <= 64; at0 += 4) {
    for (let at1 = at0; at1 <= 64; at1 += 16) {
      trySplits(at0, at1);
      const better = v128.or(
        v128.or(exceeds(limit, 0), exceeds(limit, 16)),
        v128.or(exceeds(limit, 32), exceeds(limit, 48)),
      );
      if (!v128.any_true(better)) continue;
      for (let lane: usize = 0; lane < 4; lane++) {
        for (let bits: usize = 0; bits < 4; bits++) {
          const qx = load<f32>(trials + 16 * bits + 4 * lane);
          const q2 = load<f32>(trials + 16 * bits + 4 * lane, 64);
          const rule: f32 = exact ? best : best * CLEAR;
          if (!(qx * qx > rule * q2)) continue;
          const ratio: f32 = qx / q2;
          const score: f32 = ratio * qx;
          if (!exact) {
            // neither may be near the best so far
            isClear = score * CLEAR > best;
            if (!(score > best)) continue;
          }
          best = score;
          bestQx = qx;
          bestQ2 = q2;
          split0 = <i32>(at0 >> 2);
          split1 = <i32>((at1 >> 2) + lane);
          splitShiftBits = <i32>bits;
        }
      }
      limit = f32x4.splat(exact ? best : best * CLEAR);
    }
  }
  return isClear;
}
