/**
 * Floats to NVFP4, as ModelOpt rounds them without calibration: the largest value of a weight becomes 448 × 6 steps, that of
 * a block 6 steps. Source: NVIDIA Model Optimizer, quantization/qtensor/nvfp4_tensor.py (`get_weights_scaling_factor`,
 * `_cast_fp4`).
 */
import { ConversionError } from "@requant/core";
import { E4M3_VALUES, floatToE2m1, floatToE4m3 } from "@requant/core/numeric";
import { NVFP4_BLOCK_SIZE } from "./nvfp4-codec.ts";

const fround = Math.fround;

/** The scale of a whole weight whose largest absolute value is this. */
export function tensorScaleOf(largest: number): number {
  return fround(largest / (6 * 448));
}

/** The largest absolute value. @throws ConversionError for a value that is not finite */
export function largestMagnitude(values: Float32Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    if (!(magnitude < Number.POSITIVE_INFINITY)) throw notFinite(values, i);
    if (magnitude > most) most = magnitude;
  }
  return most;
}

function notFinite(values: Float32Array, index: number): ConversionError {
  return new ConversionError(`A weight is ${values[index]}; NVFP4 holds finite weights only.`, {
    index,
    reason: "non-finite",
  });
}

/** The smallest scale above 0, which a block of tiny values gets. */
const LEAST_SCALE = 2 ** -9;

/**
 * Whole blocks of floats as scale bytes and pairs of codes. A block of zeros gets the scale 1, as ModelOpt writes it.
 * @param tensorScale of the whole weight; 0 for a weight of zeros
 * @throws ConversionError for a value that is not finite
 */
export function quantizeNvfp4(
  values: Float32Array,
  tensorScale: number,
  scales: Uint8Array,
  pairs: Uint8Array,
): void {
  for (let block = 0; block < scales.length; block++) {
    const from = block * NVFP4_BLOCK_SIZE;
    const largest = largestMagnitude(values.subarray(from, from + NVFP4_BLOCK_SIZE));
    const wanted = fround(largest / fround(6 * tensorScale));
    // 0 ÷ 0 where the whole weight is 0
    const scale = wanted > 0 ? Math.max(wanted, LEAST_SCALE) : 1;
    scales[block] = floatToE4m3(scale);
    const step = fround(E4M3_VALUES[scales[block]!]! * tensorScale);
    for (let i = 0; i < NVFP4_BLOCK_SIZE; i += 2) {
      const at = from + i;
      pairs[at / 2] = codeOf(values[at]!, step) | (codeOf(values[at + 1]!, step) << 4);
    }
  }
}

/** A value that is rounded to 0 keeps its sign, but a stored −0 becomes 0. */
function codeOf(value: number, step: number): number {
  if (value === 0 || step === 0) return 0;
  return floatToE2m1(fround(value / step));
}
