/**
 * Floats of 8 bits. E4M3 is the variant without infinities ("F8_E4M3" of safetensors, torch's float8_e4m3fn): 0x7F and 0xFF
 * are NaN, and 448 is the largest value. E5M2 has infinities and NaNs as IEEE floats do. E8M0 is a power of two.
 * Sources: OCP 8-bit Floating Point Specification 1.0; OCP Microscaling Formats 1.0.
 */

const float: Float32Array = /* @__PURE__ */ new Float32Array(1);
const floatBits: Uint32Array = /* @__PURE__ */ new Uint32Array(float.buffer);

/** The largest E4M3 value. */
export const E4M3_MAX = 448;

/** The values of the 256 E4M3 codes; NaN for 0x7F and 0xFF. */
export const E4M3_VALUES: Float32Array = /* @__PURE__ */ float8Values(4, false);

/** The values of the 256 E5M2 codes. */
export const E5M2_VALUES: Float32Array = /* @__PURE__ */ float8Values(5, true);

/** Encodings of 8-bit floats that weights are stored in. */
export type Float8Encoding = "F8_E4M3" | "F8_E5M2";

/** All of them. */
export const FLOAT8_ENCODINGS: readonly Float8Encoding[] = ["F8_E4M3", "F8_E5M2"];

/** The values of the 256 codes of each encoding. */
export const FLOAT8_VALUES: Readonly<Record<Float8Encoding, Float32Array>> = {
  F8_E4M3: E4M3_VALUES,
  F8_E5M2: E5M2_VALUES,
};

function float8Values(exponentBits: number, hasInfinity: boolean): Float32Array {
  const mantissaBits = 7 - exponentBits;
  const bias = 2 ** (exponentBits - 1) - 1;
  const top = 2 ** exponentBits - 1;
  return Float32Array.from({ length: 256 }, (_, code) => {
    const sign = code & 0x80 ? -1 : 1;
    const exponent = (code & 0x7f) >> mantissaBits;
    const mantissa = code & (2 ** mantissaBits - 1);
    if (hasInfinity && exponent === top) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    if (!hasInfinity && (code & 0x7f) === 0x7f) return Number.NaN;
    const significand = mantissa / 2 ** mantissaBits + (exponent === 0 ? 0 : 1);
    return sign * significand * 2 ** (Math.max(exponent, 1) - bias);
  });
}

/**
 * The E4M3 code that is nearest to a number, ties to the even code; numbers beyond 448 become ±448, NaN stays NaN.
 * @example
 * import { E4M3_VALUES, floatToE4m3 } from "@requant/core/numeric";
 *
 * const code: number = floatToE4m3(0.3); // 0x2a
 * const value: number | undefined = E4M3_VALUES[code]; // 0.3125
 */
export function floatToE4m3(value: number): number {
  if (Number.isNaN(value)) return 0x7f;
  const sign = value < 0 || Object.is(value, -0) ? 0x80 : 0;
  const magnitude = Math.min(Math.abs(value), E4M3_MAX);
  // below the smallest normal number, 2^-6, codes are multiples of 2^-9
  if (magnitude < 2 ** -6) return sign | halfEven(magnitude * 2 ** 9);
  float[0] = magnitude;
  const bits = floatBits[0]!;
  const rest = bits & 0xfffff;
  const code = ((bits >>> 20) & 0x7ff) - ((127 - 7) << 3);
  const isUp = rest > 0x80000 || (rest === 0x80000 && (code & 1) === 1);
  return sign | Math.min(code + (isUp ? 1 : 0), 0x7e);
}

function halfEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 === 1) ? below + 1 : below;
}

/** 2^(code − 127): code 0 is a subnormal f32, code 255 is NaN. */
export function e8m0ToFloat(code: number): number {
  return code === 255 ? Number.NaN : 2 ** (code - 127);
}

/** The E8M0 code of a power of two from 2^-127 to 2^127; undefined for any other number. */
export function floatToE8m0(value: number): number | undefined {
  if (!(value > 0) || !Number.isFinite(value)) return undefined;
  const exponent = Math.log2(value);
  const code = Math.round(exponent) + 127;
  return code >= 0 && code <= 254 && 2 ** (code - 127) === value ? code : undefined;
}

const e4m3Bits: { known?: ReadonlySet<number> } = {};

/** True for a number that is an E4M3 value without its sign bit: what scales are stored in. */
export function isE4m3Scale(value: number): boolean {
  e4m3Bits.known ??= new Set(E4M3_VALUES.subarray(0, 0x7f));
  return e4m3Bits.known.has(value);
}
