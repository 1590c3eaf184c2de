import { loadHalf, storeHalf } from "./half";
import { bytesOf3, bytesOf4, storeScaled } from "./lanes";
import { flats, keepCodes, searchScale, searchScaleByCode, signedCodes } from "./signed-search";
import {
  addSquares,
  CODES,
  GROUP,
  importanceWeights,
  nearestInt,
  scales,
  sumWeights,
  transpose,
  values as transposed,
  weighBySquare,
  weights,
} from "./sub-block-lanes";
import { packTwoBitPlanes } from "./two-bit-planes";

/** (Scales − 32) × d of the 16 sub-blocks. */
const steps: usize = memory.data(64);

// @ts-ignore: decorator
@inline
function storeSteps(at: usize, codes: u32, d: v128): void {
  const scales = i32x4.extend_low_i16x8_u(i16x8.extend_low_i8x16_u(i32x4.splat(codes)));
  v128.store(at, f32x4.mul(d, f32x4.convert_i32x4_s(i32x4.sub(scales, i32x4.splat(32)))));
}

/** Fills `steps` from the 12 packed bytes. */
// @ts-ignore: decorator
@inline
function loadSteps(block: usize): void {
  const d = f32x4.splat(loadHalf(block, 108));
  const a = load<u32>(block, 96);
  const b = load<u32>(block, 100);
  const c = load<u32>(block, 104);
  storeSteps(steps, (a & 0x0f0f0f0f) | ((c << 4) & 0x30303030), d);
  storeSteps(steps + 16, (b & 0x0f0f0f0f) | ((c << 2) & 0x30303030), d);
  storeSteps(steps + 32, ((a >> 4) & 0x0f0f0f0f) | (c & 0x30303030), d);
  storeSteps(steps + 48, ((b >> 4) & 0x0f0f0f0f) | ((c >> 2) & 0x30303030), d);
}

/** Twin of src/types/q3_k.ts. */
export function dequantizeQ3_K(bytes: usize, blocks: i32, out: usize): void {
  const mask = bytesOf3();
  const third = bytesOf4();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 110) {
    loadSteps(bytes);
    // 16 bytes of qs at a time: two for each half of the block, whose high bits are half a byte of hmask
    for (let part: usize = 0; part < 4; part++) {
      const half = part >> 1;
      const column = (part & 1) << 4;
      const qs = v128.load(bytes + 16 * part, 32);
      const high = i16x8.shr_u(v128.load(bytes + column), 4 * <i32>half);
      const step = steps + 32 * half + 4 * (part & 1);
      const to = out + 512 * half + 4 * column;
      const q0 = v128.or(v128.and(qs, mask), v128.and(i16x8.shl(high, 2), third));
      storeScaled(to, i8x16.sub(q0, third), v128.load32_splat(step));
      const q1 = v128.or(v128.and(i16x8.shr_u(qs, 2), mask), v128.and(i16x8.shl(high, 1), third));
      storeScaled(to + 128, i8x16.sub(q1, third), v128.load32_splat(step, 8));
      const q2 = v128.or(v128.and(i16x8.shr_u(qs, 4), mask), v128.and(high, third));
      storeScaled(to + 256, i8x16.sub(q2, third), v128.load32_splat(step, 16));
      const q3 = v128.or(v128.and(i16x8.shr_u(qs, 6), mask), v128.and(i16x8.shr_u(high, 1), third));
      storeScaled(to + 384, i8x16.sub(q3, third), v128.load32_splat(step, 24));
    }
    out += 1024;
  }
}

const codes: usize = memory.data(256);
const scaleCodes: usize = memory.data(16);
const untransposedWeights: usize = memory.data(1024);
const weightSums: usize = memory.data(64);

export function quantizeQ3_K(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 1024, out += 110) {
    transpose(values, 16, 4, transposed);
    weighBySquare(16);
    searchScaleByCode(4, 16, 4);
    for (let j: usize = 0; j < 16; j++) {
      const isFlat = load<i32>(flats + 4 * j) != 0;
      const from = transposed + GROUP * (j >> 2) + 4 * (j & 3);
      for (let l: usize = 0; l < 16; l++) {
        const code = isFlat ? 0 : <i32>load<f32>(from + 16 * l, CODES) + 4;
        store<u8>(codes + 16 * j + l, <u8>code);
      }
    }
    finish(values, out, chooseScaleCodes());
  }
}

/** Fills `scaleCodes` (six bits, plus 32) and returns the scale of the scales. */
function chooseScaleCodes(): f32 {
  let maxScale: f32 = 0;
  let absMax: f32 = 0;
  for (let j: usize = 0; j < 16; j++) {
    const scale = load<f32>(scales + 4 * j);
    const magnitude = abs(scale);
    if (magnitude > absMax) {
      absMax = magnitude;
      maxScale = scale;
    }
  }
  if (maxScale == 0) {
    memory.fill(scaleCodes, 0, 16);
    return 0;
  }
  const inverse: f32 = <f32>-32 / maxScale;
  for (let j: usize = 0; j < 16; j++) {
    // ggml keeps the rounded value in an int8.
    const code = <i32>(<i8>nearestInt(inverse * load<f32>(scales + 4 * j)));
    store<u8>(scaleCodes + j, <u8>(max(-32, min(31, code)) + 32));
  }
  return <f32>1 / inverse;
}

export function quantizeWeightedQ3_K(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks--, values += 1024, importance += 1024, out += 110) {
    transpose(values, 16, 4, transposed);
    const variance: f32 = (<f32>2 * addSquares(values, 256, 0)) / 256;
    importanceWeights(values, 256, variance, importance, untransposedWeights);
    transpose(untransposedWeights, 16, 4, weights);
    sumWeights(16, weightSums);
    searchScale(4, 16, 4);
    for (let j: usize = 0; j < 16; j++) keepCodes(values + 64 * j, 16, j, 4, codes + 16 * j);
    // The scales are one sub-block of 16, in the first lane of a group.
    memory.fill(transposed, 0, 256);
    memory.fill(weights, 0, 256);
    for (let j: usize = 0; j < 16; j++) {
      store<f32>(transposed + 16 * j, load<f32>(scales + 4 * j));
      store<f32>(weights + 16 * j, load<f32>(weightSums + 4 * j));
    }
    memory.copy(untransposedWeights, scales, 64);
    searchScale(1, 16, 32);
    keepCodes(untransposedWeights, 16, 0, 32, scaleCodes);
    finish(values, out, load<f32>(scales));
  }
}

/** Packs the scales, and the codes under them. */
function finish(values: usize, out: usize, scale: f32): void {
  storeHalf(out, scale, 108);
  const a = load<u32>(scaleCodes);
  const b = load<u32>(scaleCodes, 4);
  const c = load<u32>(scaleCodes, 8);
  const d = load<u32>(scaleCodes, 12);
  store<u32>(out, (a & 0x0f0f0f0f) | ((c & 0x0f0f0f0f) << 4), 96);
  store<u32>(out, (b & 0x0f0f0f0f) | ((d & 0x0f0f0f0f) << 4), 100);
  const high01 = ((a >> 4) & 0x03030303) | ((b >> 2) & 0x0c0c0c0c);
  store<u32>(out, high01 | (c & 0x30303030) | ((d << 2) & 0xc0c0c0c0), 104);
  loadSteps(out);
  for (let j: usize = 0; j < 16; j++, values += 64) {
    const step = load<f32>(steps + 4 * j);
    // A scale of zero keeps the codes of the search, as ggml does.
    if (step == 0) continue;
    const dl = f32x4.splat(step);
    const x0 = f32x4.div(v128.load(values), dl);
    const x1 = f32x4.div(v128.load(values, 16), dl);
    const x2 = f32x4.div(v128.load(values, 32), dl);
    const x3 = f32x4.div(v128.load(values, 48), dl);
    v128.store(codes + 16 * j, signedCodes(x0, x1, x2, x3, 4));
  }
  const third = bytesOf4();
  for (let column: usize = 0; column < 32; column += 16) {
    let high = i8x16.splat(0);
    for (let k: usize = 0; k < 256; k += 32) {
      // bit 2 of each code to the top, earlier ones move down
      const bit = i16x8.shl(v128.and(v128.load(codes + k + column), third), 5);
      high = v128.or(v128.and(i16x8.shr_u(high, 1), i8x16.splat(0x7f)), bit);
    }
    v128.store(out + column, high);
  }
  packTwoBitPlanes(codes, out + 32);
}
