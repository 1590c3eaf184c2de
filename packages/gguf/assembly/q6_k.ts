import { loadHalf, storeHalf } from "./half";
import { bytesOf15, bytesOf32, bytesOf48, storeScaled } from "./lanes";
import { keepCodes, searchScale, signedCodes } from "./signed-search";
import { nearestInt, scales, transpose, values as transposed, weighBySquare, weights } from "./sub-block-lanes";

/** Scales × d of the 16 sub-blocks. */
const steps: usize = memory.data(64);

/** Twin of src/types/q6_k.ts. */
export function dequantizeQ6_K(bytes: usize, blocks: i32, out: usize): void {
  const low = bytesOf15();
  const high = bytesOf48();
  const zero = bytesOf32();
  for (const end = out + ((<usize>blocks) << 10); out < end; bytes += 210) {
    const d = f32x4.splat(loadHalf(bytes, 208));
    for (let i: usize = 0; i < 16; i += 4) {
      const scales = i32x4.extend_low_i16x8_s(i16x8.extend_low_i8x16_s(v128.load32_zero(bytes + i, 192)));
      v128.store(steps + 4 * i, f32x4.mul(d, f32x4.convert_i32x4_s(scales)));
    }
    sixteenColumns(bytes, bytes + 128, steps, out, low, high, zero);
    sixteenColumns(bytes + 16, bytes + 144, steps + 4, out + 64, low, high, zero);
    sixteenColumns(bytes + 64, bytes + 160, steps + 32, out + 512, low, high, zero);
    sixteenColumns(bytes + 80, bytes + 176, steps + 36, out + 576, low, high, zero);
    out += 1024;
  }
}

/** 16 weights of each of four sub-blocks that share the bytes of qh. */
// @ts-ignore: decorator
@inline
function sixteenColumns(ql: usize, qh: usize, step: usize, out: usize, low: v128, high: v128, zero: v128): void {
  const a = v128.load(ql);
  const b = v128.load(ql, 32);
  const upper = v128.load(qh);
  const q0 = v128.or(v128.and(a, low), v128.and(i16x8.shl(upper, 4), high));
  storeScaled(out, i8x16.sub(q0, zero), v128.load32_splat(step));
  const q1 = v128.or(v128.and(b, low), v128.and(i16x8.shl(upper, 2), high));
  storeScaled(out + 128, i8x16.sub(q1, zero), v128.load32_splat(step, 8));
  const q2 = v128.or(v128.and(i16x8.shr_u(a, 4), low), v128.and(upper, high));
  storeScaled(out + 256, i8x16.sub(q2, zero), v128.load32_splat(step, 16));
  const q3 = v128.or(v128.and(i16x8.shr_u(b, 4), low), v128.and(i16x8.shr_u(upper, 2), high));
  storeScaled(out + 384, i8x16.sub(q3, zero), v128.load32_splat(step, 24));
}

export function quantizeQ6_K(values: usize, blocks: i32, out: usize): void {
  for (; blocks > 0; blocks--, values += 1024, out += 210) {
    transpose(values, 16, 4, transposed);
    weighBySquare(16);
    quantizeBlock(values, out);
  }
}

export function quantizeWeightedQ6_K(
  values: usize,
  blocks: i32,
  out: usize,
  importance: usize,
  variance: f32,
): void {
  for (; blocks > 0; blocks--, values += 1024, importance += 1024, out += 210) {
    transpose(values, 16, 4, transposed);
    transpose(importance, 16, 4, weights);
    quantizeBlock(values, out);
  }
}

const codes: usize = memory.data(256);

function quantizeBlock(values: usize, out: usize): void {
  searchScale(4, 16, 32);
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
  if (absMax < <f32>1e-15) {
    memory.fill(out, 0, 210);
    return;
  }
  const inverse: f32 = <f32>-128 / maxScale;
  storeHalf(out, <f32>1 / inverse, 208);
  const d = loadHalf(out, 208);
  for (let j: usize = 0; j < 16; j++, values += 64) {
    const scaleCode = <i8>min(127, nearestInt(inverse * load<f32>(scales + 4 * j)));
    store<i8>(out + j, scaleCode, 192);
    const step: f32 = d * <f32>scaleCode;
    // A scale of zero keeps the codes of the search, as ggml does.
    if (step == 0) {
      keepCodes(values, 16, j, 32, codes + 16 * j);
      continue;
    }
    const dl = f32x4.splat(step);
    const a = f32x4.div(v128.load(values), dl);
    const b = f32x4.div(v128.load(values, 16), dl);
    const c = f32x4.div(v128.load(values, 32), dl);
    const e = f32x4.div(v128.load(values, 48), dl);
    v128.store(codes + 16 * j, signedCodes(a, b, c, e, 32));
  }
  const low = bytesOf15();
  const high = bytesOf48();
  for (let part: usize = 0; part < 4; part++) {
    const half = part >> 1;
    const column = (part & 1) << 4;
    const from = codes + 128 * half + column;
    const a = v128.load(from);
    const b = v128.load(from, 32);
    const c = v128.load(from, 64);
    const e = v128.load(from, 96);
    const ql = out + 64 * half + column;
    v128.store(ql, v128.or(v128.and(a, low), i16x8.shl(v128.and(c, low), 4)));
    v128.store(ql, v128.or(v128.and(b, low), i16x8.shl(v128.and(e, low), 4)), 32);
    const qh01 = v128.or(i16x8.shr_u(v128.and(a, high), 4), i16x8.shr_u(v128.and(b, high), 2));
    const qh23 = v128.or(v128.and(c, high), i16x8.shl(v128.and(e, high), 2));
    v128.store(out + 16 * part, v128.or(qh01, qh23), 128);
  }
}
