/**
 * Rows of floats as codes, in MLX's own arithmetic, so that codes, scales and biases are those of `mx.quantize` on the
 * processor (mlx, mlx/backend/cpu/quantized.cpp, `quantize`, and mlx/ops.cpp, `fp_quantize`).
 */
import { ConversionError } from "@requant/core";
import type { ScaleEncoding } from "@requant/core/format";
import { E2M1_VALUES, E4M3_VALUES, floatToE4m3, ROUND_TO } from "@requant/core/numeric";
import { type FloatMode, floatModeOf, type MlxLayout } from "./layout.ts";

const fround = Math.fround;

/** Weights of some rows in MLX's own terms, group by group. */
export interface MlxCodes {
  /** `codes[row × columns + column]`. */
  readonly codes: Uint8Array;
  /** Affine: numbers that the layout's float encoding rounds. Otherwise: bytes, as they are stored. */
  readonly scales: Float32Array | Uint8Array;
  readonly biases?: Float32Array;
}

/**
 * Rounds each weight to the nearest code of its group.
 * @param floats the type of the weights, in which MLX computes where the mode is not affine
 * @throws ConversionError for a weight that is not finite, or whose group is too wide for a scale
 */
export function quantizeMlx(
  layout: Pick<MlxLayout, "mode" | "bits" | "groupSize" | "columns">,
  values: Float32Array,
  floats: ScaleEncoding = "F32",
): MlxCodes {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad !== -1) {
    throw new ConversionError(`The weight ${values[bad]} is not finite; MLX stores finite weights.`, {
      index: bad,
    });
  }
  const mode = floatModeOf(layout.mode);
  return mode === undefined ? quantizeAffine(layout, values) : quantizeFloat(mode, values, floats);
}

/** Scales below this are not used. */
const LEAST_SCALE: number = /* @__PURE__ */ fround(1e-7);

/** The end of the group that is farther from zero is stored exactly, as the bias; scales are negative where it is the upper. */
function quantizeAffine(
  { bits, groupSize }: Pick<MlxLayout, "bits" | "groupSize">,
  values: Float32Array,
): MlxCodes {
  const most = 2 ** bits - 1;
  const codes = new Uint8Array(values.length);
  const scales = new Float32Array(values.length / groupSize);
  const biases = new Float32Array(scales.length);
  for (let group = 0, start = 0; group < scales.length; group++, start += groupSize) {
    const end = start + groupSize;
    let min = values[start]!;
    let max = min;
    for (let i = start + 1; i < end; i++) {
      if (values[i]! < min) min = values[i]!;
      if (values[i]! > max) max = values[i]!;
    }
    const lowerIsEdge = Math.abs(min) > Math.abs(max);
    const step = Math.max(fround(fround(max - min) / most), LEAST_SCALE);
    if (step === Infinity) {
      throw new ConversionError(
        `The weights of a group reach from ${min} to ${max}, which is too wide for a scale.`,
        { index: start },
      );
    }
    let scale = lowerIsEdge ? step : -step;
    let bias = 0;
    const edge = lowerIsEdge ? min : max;
    const edgeCode = roundHalfEven(fround(edge / scale));
    if (edgeCode !== 0) {
      scale = fround(edge / edgeCode);
      bias = edge;
    }
    for (let i = start; i < end; i++) {
      const code = roundHalfEven(fround(fround(values[i]! - bias) / scale));
      codes[i] = Math.min(Math.max(code, 0), most);
    }
    scales[group] = scale;
    biases[group] = bias;
  }
  return { codes, scales, biases };
}

/** To the nearest integer, ties to the even one, of numbers below 2^51. */
function roundHalfEven(value: number): number {
  const BIG = 6755399441055744;
  return Math.abs(value) < 2 ** 51 ? value + BIG - BIG : value;
}

function quantizeFloat(
  { groupSize, table, scaleType }: FloatMode,
  values: Float32Array,
  floats: ScaleEncoding,
): MlxCodes {
  const round = ROUND_TO[floats];
  const largest = table === "E2M1" ? 6 : 448;
  const codeOf = table === "E2M1" ? e2m1Code : floatToE4m3;
  const scaleOf = scaleType === "E8M0" ? powerOfTwo : e4m3Scale;
  const codes = new Uint8Array(values.length);
  const scales = new Uint8Array(values.length / groupSize);
  for (let group = 0, start = 0; group < scales.length; group++, start += groupSize) {
    const end = start + groupSize;
    let most = 0;
    for (let i = start; i < end; i++) if (Math.abs(values[i]!) > most) most = Math.abs(values[i]!);
    const { byte, scale } = scaleOf(round(most / largest));
    scales[group] = byte;
    // all codes are 0 where the scale is
    if (scale !== 0) for (let i = start; i < end; i++) codes[i] = codeOf(round(values[i]! / scale));
  }
  return { codes, scales };
}

interface StoredScale {
  readonly byte: number;
  readonly scale: number;
}

/**
 * The least power of two with which no weight is beyond the largest level; 1 for a group of zeros. Below 2^-127 mlx's own
 * bytes wrap around. (mlx 0.32.4; earlier versions took the nearest power by its logarithm.)
 */
function powerOfTwo(ideal: number): StoredScale {
  if (ideal === 0) return { byte: 127, scale: 1 };
  let exponent = Math.max(-127, Math.floor(Math.log2(ideal)));
  while (2 ** exponent < ideal) exponent++;
  return { byte: exponent + 127, scale: 2 ** exponent };
}

function e4m3Scale(ideal: number): StoredScale {
  const byte = floatToE4m3(ideal);
  return { byte, scale: E4M3_VALUES[byte]! };
}

/** Half of the way from each magnitude to the next one: ties go to the smaller magnitude, and so does −0. */
const E2M1_MIDDLES: readonly number[] = /* @__PURE__ */ Array.from(
  { length: 7 },
  (_, code) => (E2M1_VALUES[code]! + E2M1_VALUES[code + 1]!) / 2,
);

function e2m1Code(value: number): number {
  const magnitude = Math.abs(value);
  let code = 0;
  while (code < 7 && magnitude > E2M1_MIDDLES[code]!) code++;
  return code > 0 && value < 0 ? code + 8 : code;
}
