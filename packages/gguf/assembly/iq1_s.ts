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

/** Twin of src/types/iq1_s.ts. */
export function dequantizeIQ1_S(bytes: usize, blocks: i32, out: usize): void {
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 50) {
    const d = loadHalf(bytes) * <f32>0.125;
    for (let sub: usize = 0; sub < 8; sub++, out += 128) {
      const qh = <u32>load<u16>(bytes + 2 * sub, 34);
      const q = load<u32>(bytes + 4 * sub, 2);
      const scale = f32x4.splat(d * <f32>(<i32>(2 * ((qh >> 12) & 7) + 1)));
      // the shift of an eighth up or down is 1, since all values are multiplied by eight
      const shift = i8x16.splat(qh & 0x8000 ? -1 : 1);
      const a = twoEights(gridIQ1, (q & 255) | ((qh & 7) << 8), ((q >> 8) & 255) | ((qh & 0x38) << 5));
      const b = twoEights(gridIQ1, ((q >> 16) & 255) | ((qh & 0x1c0) << 2), (q >> 24) | ((qh & 0xe00) >> 1));
      storeScaled(out, i8x16.add(a, shift), scale);
      storeScaled(out + 64, i8x16.add(b, shift), scale);
    }
  }
}

const scales: usize = memory.data(32);
const shifts: usize = memory.data(32);

/** Returns how many blocks are left for the codec: the first of them is unusual. */
export function quantizeWeightedIQ1_S(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): i32 {
  for (; blocks > 0; blocks--, values += 1024, out += 50, importance += 1024) {
    if (!quantizeBlock(values, out, importance)) return blocks;
  }
  return 0;
}

function quantizeBlock(values: usize, out: usize, importance: usize): bool {
  memory.fill(out, 0, 50);
  const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
  let maxScale: f32 = 0;
  for (let sub: usize = 0; sub < 8; sub++) {
    const from = values + 128 * sub;
    store<f32>(scales + 4 * sub, 0);
    store<i32>(shifts + 4 * sub, 1);
    importanceWeights(from, 32, variance, importance + 128 * sub, weights);
    const max = maxMagnitude(from, 32);
    if (isNaN(max)) return false;
    if (max < <f32>1e-12) continue;
    rank(from, 32);
    if (!findBestSplit(from)) return false;
    let scale = bestQx / bestQ2;
    assignLevels(32, split0, split1, scale < 0);
    let isDown = splitIsDown;
    if (scale < 0) {
      scale = -scale;
      isDown = !isDown;
    }
    const levelValues = shifted + (isDown ? 16 : 0);
    let moved = false;
    let high = 0;
    for (let group: usize = 0; group < 4; group++) {
      let code = placeEight(from, 32 * group, scale, levelValues);
      if (code < 0) {
        moved = true;
        code = -1 - code;
      }
      store<u8>(out + 4 * sub + group, <u8>code, 2);
      high |= (code >> 8) << (3 * <i32>group);
    }
    store<u16>(out + 2 * sub, <u16>high, 34);
    if (moved) scale = refinedScale(from, levelValues, scale);
    store<f32>(scales + 4 * sub, scale);
    store<i32>(shifts + 4 * sub, isDown ? -1 : 1);
    maxScale = scale > maxScale ? scale : maxScale;
  }
  if (maxScale == 0) return true;
  const d: f32 = maxScale / 15;
  storeHalf(out, d * <f32>1.125);
  const inverse: f32 = <f32>1 / d;
  for (let sub: usize = 0; sub < 8; sub++) {
    const code = ternaryScaleCode(inverse, load<f32>(scales + 4 * sub));
    const top = (code | (load<i32>(shifts + 4 * sub) < 0 ? 8 : 0)) << 4;
    store<u8>(out + 2 * sub, <u32>load<u8>(out + 2 * sub, 35) | top, 35);
  }
  return true;
}

/** Twin of `refinedScale`. */
function refinedScale(from: usize, levelValues: usize, scale: f32): f32 {
  let sumQx: f32 = 0;
  let sumQ2: f32 = 0;
  for (let at: usize = 0; at < 128; at += 4) {
    const q = load<f32>(levelValues + (<usize>load<u32>(levels + at) << 2));
    const weighted = load<f32>(weights + at) * q;
    sumQx += weighted * load<f32>(from + at);
    sumQ2 += weighted * q;
  }
  return sumQx > 0 && sumQ2 > 0 ? sumQx / sumQ2 : scale;
}

/** By rank: weight × value and weight; then as in the codec, 33 numbers each and three NaN. */
const sortedX: usize = memory.data(128);
const sortedW: usize = memory.data(128);
const sumX: usize = memory.data(144);
const sumW: usize = memory.data(144);
const aboveXUp: usize = memory.data(144);
const aboveXDown: usize = memory.data(144);
const aboveWUp: usize = memory.data(144);
const aboveWDown: usize = memory.data(144);

/** sumQx and sumQ2 of four splits shifted up, then of the same shifted down. */
const trials: usize = memory.data(64);

let bestQx: f32 = 0;
let bestQ2: f32 = 0;
let split0: i32 = 0;
let split1: i32 = 0;
let splitIsDown: bool = false;

// prettier-ignore
const constants = memory.data<f32>([
  1.125, 1.125, 1.125, 1.125,
  0.875, 0.875, 0.875, 0.875,
  0.125, 0.125, 0.125, 0.125,
]);

/** Twin of `bestSplit`. False where numbers are too small for it. */
function findBestSplit(from: usize): bool {
  for (let at: usize = 0; at < 128; at += 4) {
    const to = <usize>load<u32>(ranks + at) << 2;
    const weight = load<f32>(weights + at);
    store<f32>(sortedX + to, weight * load<f32>(from + at));
    store<f32>(sortedW + to, weight);
  }
  let x: f32 = 0;
  let w: f32 = 0;
  for (let at: usize = 0; at < 128; at += 4) {
    store<f32>(sumX + at, x);
    store<f32>(sumW + at, w);
    x += load<f32>(sortedX + at);
    w += load<f32>(sortedW + at);
  }
  v128.store(sumX + 128, f32x4.replace_lane(f32x4.splat(NaN), 0, x));
  v128.store(sumW + 128, f32x4.replace_lane(f32x4.splat(NaN), 0, w));
  // this ensures that every sumQ2 is above zero
  if (!(w > <f32>1e-30)) return false;
  const up = v128.load(constants);
  const down = v128.load(constants, 16);
  const allX = f32x4.splat(x);
  const allW = f32x4.splat(w);
  for (let at: usize = 0; at < 144; at += 16) {
    const partX = f32x4.sub(allX, v128.load(sumX + at));
    const partW = f32x4.sub(allW, v128.load(sumW + at));
    v128.store(aboveXUp + at, f32x4.mul(partX, up));
    v128.store(aboveXDown + at, f32x4.mul(partX, down));
    v128.store(aboveWUp + at, f32x4.mul(f32x4.mul(partW, up), up));
    v128.store(aboveWDown + at, f32x4.mul(f32x4.mul(partW, down), down));
  }
  // a first guess: about the best splits of a bell curve
  trySplits(9, 22);
  let guess: f32 = 0;
  for (let at: usize = 0; at < 16; at += 4) {
    const qx = load<f32>(trials + at);
    const score = (qx * qx) / load<f32>(trials + at, 16);
    guess = score > guess ? score : guess;
  }
  // below this limit, squares would lose their last bits
  const isClear = guess * w > <f32>1e-30 && search(false, guess * CLEAR * CLEAR * CLEAR);
  if (!isClear) search(true, -3.4028234663852886e38);
  return true;
}

/** The sums of the splits at `i0` and the four from `i1` on, to `trials`. */
// @ts-ignore: decorator
@inline
function trySplits(i0: usize, i1: usize): void {
  const x0 = load<f32>(sumX + 4 * i0);
  const w0 = load<f32>(sumW + 4 * i0);
  const at = 4 * i1;
  const eighth = v128.load(constants, 32);
  const middleX = f32x4.mul(f32x4.sub(v128.load(sumX + at), f32x4.splat(x0)), eighth);
  const middleW = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(sumW + at), f32x4.splat(w0)), eighth), eighth);
  const belowXUp = f32x4.splat(x0 * <f32>-0.875);
  const belowXDown = f32x4.splat(x0 * <f32>-1.125);
  const belowWUp = f32x4.splat(w0 * <f32>-0.875 * <f32>-0.875);
  const belowWDown = f32x4.splat(w0 * <f32>-1.125 * <f32>-1.125);
  v128.store(trials, f32x4.add(f32x4.add(belowXUp, middleX), v128.load(aboveXUp + at)));
  v128.store(trials, f32x4.add(f32x4.add(belowWUp, middleW), v128.load(aboveWUp + at)), 16);
  v128.store(trials, f32x4.add(f32x4.sub(belowXDown, middleX), v128.load(aboveXDown + at)), 32);
  v128.store(trials, f32x4.add(f32x4.add(belowWDown, middleW), v128.load(aboveWDown + at)), 48);
}

/**
 * Every split under both shifts. By the codec's rule from `best` on; or, not `exact`, for the one that is clearly best and
 * better than `best`: false if there is none.
 */
function search(exact: bool, best: f32): bool {
  const eighth = v128.load(constants, 32);
  let isClear = false;
  let limit = f32x4.splat(best);
  for (let i0: usize = 0; i0 <= 32; i0++) {
    const x0 = load<f32>(sumX + 4 * i0);
    const w0 = load<f32>(sumW + 4 * i0);
    const belowX = f32x4.splat(x0);
    const belowW = f32x4.splat(w0);
    const belowXUp = f32x4.splat(x0 * <f32>-0.875);
    const belowXDown = f32x4.splat(x0 * <f32>-1.125);
    const belowWUp = f32x4.splat(w0 * <f32>-0.875 * <f32>-0.875);
    const belowWDown = f32x4.splat(w0 * <f32>-1.125 * <f32>-1.125);
    for (let at: usize = 4 * i0; at <= 128; at += 16) {
      const middleX = f32x4.mul(f32x4.sub(v128.load(sumX + at), belowX), eighth);
      const middleW = f32x4.mul(f32x4.mul(f32x4.sub(v128.load(sumW + at), belowW), eighth), eighth);
      const upX = f32x4.add(f32x4.add(belowXUp, middleX), v128.load(aboveXUp + at));
      const upW = f32x4.add(f32x4.add(belowWUp, middleW), v128.load(aboveWUp + at));
      const downX = f32x4.add(f32x4.sub(belowXDown, middleX), v128.load(aboveXDown + at));
      const downW = f32x4.add(f32x4.add(belowWDown, middleW), v128.load(aboveWDown + at));
      const better = v128.or(
        f32x4.gt(f32x4.mul(upX, upX), f32x4.mul(limit, upW)),
        f32x4.gt(f32x4.mul(downX, downX), f32x4.mul(limit, downW)),
      );
      if (!v128.any_true(better)) continue;
      v128.store(trials, upX);
      v128.store(trials, upW, 16);
      v128.store(trials, downX, 32);
      v128.store(trials, downW, 48);
      for (let lane: usize = 0; lane < 4; lane++) {
        for (let shift: usize = 0; shift < 2; shift++) {
          const qx = load<f32>(trials + 32 * shift + 4 * lane);
          const q2 = load<f32>(trials + 32 * shift + 4 * lane, 16);
          const rule = exact ? best : best * CLEAR;
          if (!(qx * qx > rule * q2)) continue;
          const ratio: f32 = qx / q2;
          const score = ratio * qx;
          if (!exact) {
            // neither may be near the best so far
            isClear = score * CLEAR > best;
            if (!(score > best)) continue;
          }
          best = score;
          bestQx = qx;
          bestQ2 = q2;
          split0 = <i32>i0;
          split1 = <i32>((at >> 2) + lane);
          splitIsDown = shift == 1;
        }
      }
      limit = f32x4.splat(exact ? best : best * CLEAR);
    }
  }
  return isClear;
}
