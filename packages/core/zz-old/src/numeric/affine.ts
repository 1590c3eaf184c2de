import { UsageError } from "../errors.ts";
import { roundHalfEven } from "./round.ts";

/**
 * Quantization of one array by one scale: int8 "absmax", and affine with a zero point. All arithmetic is f32, ties
 * round to even (as numpy, torch and ONNX round), and all arrays are the caller's.
 *
 * The textbook walk-through, for values whose largest magnitude is 0.932 when printed (0.93213 exactly; a plain
 * 0.932 would give 136.266):
 *
 * ```ts
 * const values = Float32Array.of(0.5, -0.93213, 0.1, 0, 0.7321);
 * const codes = new Int8Array(values.length);
 * const scale = quantizeAbsmax(values, codes);    // 127 / 0.93213 = 136.247…
 * // value × scale:   68.124…  −127  13.625…  0  99.746…
 * // round, clamp:    68       −127  14       0  100       ← codes
 * const restored = new Float32Array(values.length);
 * dequantizeAbsmax(codes, scale, restored);       // code / scale: 0.49909…  −0.93213  0.10275…  0  0.73396…
 * quantizationError(values, restored);            // maxAbsError 0.00275…: under half a step, 0.5 / scale = 0.00367
 * ```
 */

/**
 * int8 by the largest magnitude: `code = clamp(round(value × scale), −127, 127)` with `scale = 127 / max |value|`.
 * −128 is never used, so that the codes are symmetric.
 * @returns the scale; 1 when all values are 0
 * @throws UsageError when lengths differ or a value is not finite
 */
export function quantizeAbsmax(values: Float32Array, codes: Int8Array): number {
  checkSameLength(values.length, codes.length);
  const { min, max } = rangeOf(values);
  const absmax = Math.max(max, -min);
  // below 3.73e-37 the quotient overflows f32; the greatest scale there is still gives a valid, coarser result
  const scale = absmax === 0 ? 1 : Math.min(Math.fround(127 / absmax), largestFloat);
  for (let i = 0; i < values.length; i++) {
    codes[i] = clamp(roundHalfEven(Math.fround(values[i]! * scale)), -127, 127);
  }
  return scale;
}

/** `value = code / scale`, the way back of `quantizeAbsmax`. @throws UsageError when lengths differ */
export function dequantizeAbsmax(codes: Int8Array, scale: number, values: Float32Array): void {
  checkSameLength(codes.length, values.length);
  for (let i = 0; i < codes.length; i++) values[i] = codes[i]! / scale;
}

/** `value = (code − zeroPoint) × scale`, codes from `least` to `greatest`. */
export interface AffineParameters {
  /** f32, positive: the step between neighbouring values. */
  readonly scale: number;
  /** The code of 0. An integer in the code range, so that 0 is exact. */
  readonly zeroPoint: number;
  readonly least: number;
  readonly greatest: number;
}

/** How a range of floats becomes codes. */
export interface AffineOptions {
  /** Bits per code, 1 to 16; symmetric needs 2. Default 8. */
  readonly bitWidth?: number;
  /** Codes around 0 (int8: −128 to 127) instead of from 0 (uint8: 0 to 255). Default: as `symmetric`. */
  readonly signed?: boolean;
  /** Zero point in the middle of the codes, scale by the largest magnitude. Default false. */
  readonly symmetric?: boolean;
}

/**
 * Scale and zero point for values between `min` and `max`. The range is widened to hold 0. Symmetric uses as many
 * codes below as above the zero point, so the lowest one stays unused.
 * @throws UsageError
 */
export function affineParameters(min: number, max: number, options: AffineOptions = {}): AffineParameters {
  const { bitWidth = 8, symmetric = false, signed = symmetric } = options;
  if (!(Number.isInteger(bitWidth) && bitWidth >= (symmetric ? 2 : 1) && bitWidth <= 16)) {
    throw new UsageError(`${bitWidth} bits per code are not possible: ${symmetric ? 2 : 1} to 16 are.`);
  }
  if (!(Number.isFinite(min) && Number.isFinite(max) && min <= max)) {
    throw new UsageError(`There is no range of values from ${min} to ${max}.`);
  }
  const least = signed ? -(2 ** (bitWidth - 1)) : 0;
  const greatest = least + 2 ** bitWidth - 1;
  if (symmetric) {
    const steps = 2 ** (bitWidth - 1) - 1;
    const scale = positiveScale(Math.max(max, -min, 0) / steps);
    return { scale, zeroPoint: signed ? 0 : 2 ** (bitWidth - 1), least: least + 1, greatest };
  }
  const low = Math.min(min, 0);
  const high = Math.max(max, 0);
  const scale = positiveScale((high - low) / (greatest - least));
  const zeroPoint = clamp(roundHalfEven(Math.fround(least - low / scale)), least, greatest);
  return { scale, zeroPoint, least, greatest };
}

/** Least and greatest value. `{ 0, 0 }` for an empty array. @throws UsageError when a value is not finite */
export function rangeOf(values: Float32Array): { min: number; max: number } {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (!Number.isFinite(value)) {
      throw new UsageError(`Value ${i} is ${value}: only finite values can be quantized.`);
    }
    if (value < min) min = value;
    if (value > max) max = value;
  }
  return values.length === 0 ? { min: 0, max: 0 } : { min, max };
}

/** Arrays that hold codes. */
export type CodeArray = Int8Array | Uint8Array | Int16Array | Uint16Array;

/**
 * `code = clamp(round(value / scale) + zeroPoint, least, greatest)`, as ONNX QuantizeLinear.
 * @throws UsageError when lengths differ, the array cannot hold the codes, or a value is NaN
 */
export function quantizeAffine(values: Float32Array, parameters: AffineParameters, codes: CodeArray): void {
  checkSameLength(values.length, codes.length);
  checkHolds(codes, parameters);
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isNaN(value)) throw new UsageError(`Value ${i} is NaN and has no code.`);
    codes[i] = affineCode(value, parameters);
  }
}

/** `value = (code − zeroPoint) × scale`. @throws UsageError when lengths differ */
export function dequantizeAffine(codes: CodeArray, parameters: AffineParameters, values: Float32Array): void {
  checkSameLength(codes.length, values.length);
  const { scale, zeroPoint } = parameters;
  for (let i = 0; i < codes.length; i++) values[i] = (codes[i]! - zeroPoint) * scale;
}

/** The code of one value; NaN stays NaN. */
export function affineCode(value: number, parameters: AffineParameters): number {
  const { scale, zeroPoint, least, greatest } = parameters;
  return clamp(roundHalfEven(Math.fround(value / scale)) + zeroPoint, least, greatest);
}

/** Largest and root-mean-square difference. @throws UsageError when lengths differ */
export function quantizationError(
  values: Float32Array,
  restored: Float32Array,
): { maxAbsError: number; rmse: number } {
  checkSameLength(values.length, restored.length);
  let maxAbsError = 0;
  let squares = 0;
  for (let i = 0; i < values.length; i++) {
    const error = Math.abs(values[i]! - restored[i]!);
    // written so that NaN shows in the result instead of vanishing
    if (!(error <= maxAbsError)) maxAbsError = error;
    squares += error * error;
  }
  return { maxAbsError, rmse: values.length === 0 ? 0 : Math.sqrt(squares / values.length) };
}

const largestFloat = 3.4028234663852886e38;

/** f32, and never 0: a range too small for any step gets the smallest one; no range at all, 1. */
function positiveScale(step: number): number {
  if (step === 0) return 1;
  return Math.fround(step) || 2 ** -149;
}

function clamp(value: number, least: number, greatest: number): number {
  return Math.min(Math.max(value, least), greatest);
}

function checkSameLength(a: number, b: number): void {
  if (a !== b) throw new UsageError(`The arrays differ in length: ${a} and ${b}.`);
}

function checkHolds(codes: CodeArray, { least, greatest }: AffineParameters): void {
  const bits = 8 * codes.BYTES_PER_ELEMENT;
  const signed = codes instanceof Int8Array || codes instanceof Int16Array;
  const lowest = signed ? -(2 ** (bits - 1)) : 0;
  if (least < lowest || greatest > lowest + 2 ** bits - 1) {
    throw new UsageError(`Codes from ${least} to ${greatest} do not fit a ${codes.constructor.name}.`);
  }
}
