/** Twin of src/view/nibble-weight.ts, and of src/view/level-weight.ts for four-bit codes. */

/**
 * Groups of four-bit codes, one after another. The fields of this class are those of `placeNibbleGroups` in
 * src/kernels/nibble-twin.ts, in the same order.
 */
@unmanaged
class NibbleGroups {
  codes: usize;
  groups: i32;
  /** Codes in a group, a multiple of sixteen. */
  groupSize: i32;
  /** f32, one for each group. */
  scales: usize;
  /** The same; 0: there are none. */
  biases: usize;
  /** The sixteen levels: first bytes, second bytes, third bytes, fourth bytes. */
  planes: usize;
  out: usize;
}

/** Codes to f32: level × scale + bias, each step rounded. Numbers of bf16, such as small integers, have two bytes of f32 that are 0. */
export function dequantizeNibbles(at: NibbleGroups): void {
  const areBfloats = !v128.any_true(v128.or(v128.load(at.planes), v128.load(at.planes, 16)));
  if (at.biases == 0) {
    if (areBfloats) dequantize(at, true, false);
    else dequantize(at, false, false);
  } else if (areBfloats) dequantize(at, true, true);
  else dequantize(at, false, true);
}
// @ts-ignore: decorator
@inline
function dequantize(at: NibbleGroups, areBfloats: bool, hasBiases: bool): void {
  let codes = at.codes;
  let scales = at.scales;
  let biases = at.biases;
  let out = at.out;
  const groupByteLength = <usize>(at.groupSize << 2);
  const planes = at.planes;
  const plane0 = v128.load(planes);
  const plane1 = v128.load(planes, 16);
  const plane2 = v128.load(planes, 32);
  const plane3 = v128.load(planes, 48);
  const mask = i8x16.splat(15);
  const none = i8x16.splat(0);
  for (let groups = at.groups; groups > 0; groups--, scales += 4) {
    const scale = v128.load32_splat(scales);
    let bias = none;
    if (hasBiases) {
      bias = v128.load32_splat(biases);
      biases += 4;
    }
    for (const end = out + groupByteLength; out < end; out += 64, codes += 8) {
      const bytes = v128.load64_zero(codes);
      const sixteen = v128.and(zip(bytes, i16x8.shr_u(bytes, 4)), mask);
      const byte2 = i8x16.swizzle(plane2, sixteen);
      const byte3 = i8x16.swizzle(plane3, sixteen);
      const upper = zip(byte2, byte3);
      const upperEnd = zipEnd(byte2, byte3);
      let lower = none;
      let lowerEnd = none;
      if (!areBfloats) {
        const byte0 = i8x16.swizzle(plane0, sixteen);
        const byte1 = i8x16.swizzle(plane1, sixteen);
        lower = zip(byte0, byte1);
        lowerEnd = zipEnd(byte0, byte1);
      }
      v128.store(out, affine(zipPairs(lower, upper), scale, bias, hasBiases));
      v128.store(out, affine(zipPairsEnd(lower, upper), scale, bias, hasBiases), 16);
      v128.store(out, affine(zipPairs(lowerEnd, upperEnd), scale, bias, hasBiases), 32);
      v128.store(out, affine(zipPairsEnd(lowerEnd, upperEnd), scale, bias, hasBiases), 48);
    }
  }
}

// @ts-ignore: decorator
@inline
function affine(levels: v128, scale: v128, bias: v128, hasBias: bool): v128 {
  const product = f32x4.mul(levels, scale);
  return hasBias ? f32x4.add(product, bias) : product;
}

/** Bytes of two vectors in turn: the first eight of each, then the last eight. */
// @ts-ignore: decorator
@inline
function zip(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}

// @ts-ignore: decorator
@inline
function zipEnd(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}

/** The same with pairs of bytes. */
// @ts-ignore: decorator
@inline
function zipPairs(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23);
}

// @ts-ignore: decorator
@inline
function zipPairsEnd(a: v128, b: v128): v128 {
  return i8x16.shuffle(a, b, 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31);
}
