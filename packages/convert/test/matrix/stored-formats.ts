/** Weights in formats that Requant reads and does not write, packed here as their tools do, with the nearest codes. */
import { BF16, F16 } from "@requant/core";
import { type Float8Writer, storedAsFloat8 } from "../float8-directory.ts";
import type { StoredTensor } from "../hf-directory.ts";

/** How a tool stores a weight. */
export interface StoredFormat {
  /** The name in the list of formats. */
  readonly format: string;
  /** `quantization_config` of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The weight's tensors, by the end of their names. */
  store(values: Float32Array, rows: number, columns: number): ReadonlyMap<string, StoredTensor>;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

const integers = (...values: readonly number[]): Uint8Array => bytesOf(Int32Array.from(values));

const setting = (encoding: string, shape: readonly number[], bytes: Uint8Array): StoredTensor => ({
  encoding,
  shape,
  bytes,
});

/** Numbers as a float type, and what is left of them there. */
function stored(
  values: Float32Array,
  codec: typeof F16,
  shape: readonly number[],
): StoredTensor & { values: Float32Array } {
  const bytes = new Uint8Array(2 * values.length);
  codec.quantize?.(values, values.length, bytes);
  const rounded = new Float32Array(values.length);
  codec.dequantize(bytes, rounded);
  return { encoding: codec.name, shape, bytes, values: rounded };
}

/** Of each run of so many values, what `pick` finds. */
function perRun(values: Float32Array, length: number, pick: (run: Float32Array) => number): Float32Array {
  return Float32Array.from({ length: values.length / length }, (_, i) =>
    pick(values.subarray(i * length, (i + 1) * length)),
  );
}

const largestOf = (run: Float32Array): number =>
  run.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
const highest = (run: Float32Array): number => run.reduce((most, value) => Math.max(most, value), 0);
const lowest = (run: Float32Array): number => run.reduce((least, value) => Math.min(least, value), 0);

const clamp = (value: number, least: number, most: number): number =>
  Math.min(most, Math.max(least, Math.round(value)));

/** Codes of so many bits, several in a byte: rows of the matrix that are far from each other share one. */
function packRows(codes: Uint8Array, bits: number, firstIsHighest: boolean): Uint8Array {
  const fields = 8 / bits;
  const stride = codes.length / fields;
  return Uint8Array.from({ length: stride }, (_, i) => {
    let byte = 0;
    for (let field = 0; field < fields; field++) {
      const place = firstIsHighest ? fields - 1 - field : field;
      byte |= (codes[field * stride + i] ?? 0) << (bits * place);
    }
    return byte;
  });
}

/** Signed bytes with one scale for each row. */
function signedBytes(values: Float32Array, columns: number, scales: Float32Array): Uint8Array {
  return bytesOf(
    Int8Array.from(values, (value, i) => clamp(value / (scales[Math.floor(i / columns)] ?? 1), -127, 127)),
  );
}

export const llmInt8: StoredFormat = {
  format: "bitsandbytes",
  config: { quant_method: "bitsandbytes", load_in_8bit: true, llm_int8_skip_modules: ["lm_head"] },
  store(values, rows, columns) {
    const largest = perRun(values, columns, largestOf);
    const scales = largest.map((value) => value / 127);
    return new Map([
      ["SCB", setting("F32", [rows], bytesOf(largest))],
      ["weight", setting("I8", [rows, columns], signedBytes(values, columns, scales))],
      ["weight_format", setting("U8", [], Uint8Array.of(0))],
    ]);
  },
};

export const quantoInt8: StoredFormat = {
  format: "quanto",
  config: { quant_method: "quanto", weights: "int8", activations: null, modules_to_not_convert: ["lm_head"] },
  store(values, rows, columns) {
    const scale = stored(
      perRun(values, columns, (run) => largestOf(run) / 127),
      BF16,
      [rows, 1],
    );
    return new Map([
      ["weight._data", setting("I8", [rows, columns], signedBytes(values, columns, scale.values))],
      ["weight._scale", setting(scale.encoding, scale.shape, scale.bytes)],
    ]);
  },
};

const QUANTO_GROUP = 128;

export const quantoInt4: StoredFormat = {
  format: "quanto",
  config: { quant_method: "quanto", weights: "int4", activations: null, modules_to_not_convert: ["lm_head"] },
  store(values) {
    const groups = values.length / QUANTO_GROUP;
    const scale = stored(
      perRun(values, QUANTO_GROUP, (run) => (highest(run) - lowest(run)) / 15),
      BF16,
      [groups, 1],
    );
    const shift = stored(
      perRun(values, QUANTO_GROUP, (run) => -lowest(run)),
      BF16,
      [groups, 1],
    );
    const codes = Uint8Array.from(values, (value, i) => {
      const group = Math.floor(i / QUANTO_GROUP);
      return clamp((value + (shift.values[group] ?? 0)) / (scale.values[group] ?? 1), 0, 15);
    });
    return new Map([
      ["weight._data._data", setting("U8", [groups / 2, QUANTO_GROUP], packRows(codes, 4, false))],
      ["weight._scale", setting(scale.encoding, scale.shape, scale.bytes)],
      ["weight._shift", setting(shift.encoding, shift.shape, shift.bytes)],
    ]);
  },
};

const HQQ_GROUP = 64;

export const hqq: StoredFormat = {
  format: "hqq",
  config: {
    quant_method: "hqq",
    quant_config: { weight_quant_params: { nbits: 4, group_size: HQQ_GROUP, axis: 1 } },
    skip_modules: ["lm_head"],
  },
  store(values, rows, columns) {
    const groups = values.length / HQQ_GROUP;
    const scale = stored(
      perRun(values, HQQ_GROUP, (run) => (highest(run) - lowest(run)) / 15),
      F16,
      [groups, 1],
    );
    const zero = stored(
      perRun(values, HQQ_GROUP, lowest).map((least, i) => -least / (scale.values[i] ?? 1)),
      F16,
      [groups, 1],
    );
    const codes = Uint8Array.from(values, (value, i) => {
      const group = Math.floor(i / HQQ_GROUP);
      return clamp(value / (scale.values[group] ?? 1) + (zero.values[group] ?? 0), 0, 15);
    });
    return new Map([
      ["W_q", setting("U8", [groups / 2, HQQ_GROUP], packRows(codes, 4, true))],
      ["scale", setting(scale.encoding, scale.shape, scale.bytes)],
      ["zero", setting(zero.encoding, zero.shape, zero.bytes)],
      ["nbits", setting("I32", [], integers(4))],
      ["group_size", setting("I32", [], integers(HQQ_GROUP))],
      ["axis", setting("I32", [], integers(1))],
      ["shape", setting("I64", [2], bytesOf(BigInt64Array.of(BigInt(rows), BigInt(columns))))],
      ["packing", setting("U8", [7], new TextEncoder().encode("4bit_u8"))],
    ]);
  },
};

/** Ternary weights; `divisorOf` gives what they are divided by. */
export function bitnet(divisorOf: (values: Float32Array) => number): StoredFormat {
  return {
    format: "bitnet",
    config: { quant_method: "bitnet", modules_to_not_convert: ["lm_head"] },
    store(values, rows, columns) {
      const divisor = stored(Float32Array.of(divisorOf(values)), BF16, [1]);
      const codes = Uint8Array.from(values, (value) => clamp(value * (divisor.values[0] ?? 1), -1, 1) + 1);
      return new Map([
        ["weight", setting("U8", [rows / 4, columns], packRows(codes, 2, false))],
        ["weight_scale", setting(divisor.encoding, divisor.shape, divisor.bytes)],
      ]);
    },
  };
}

/** One over the mean magnitude, as BitNet's own quantizer has it. */
export const perMeanMagnitude = (values: Float32Array): number =>
  values.length / values.reduce((sum, value) => sum + Math.abs(value), 0);

function float8(
  writer: Float8Writer & { readonly quantizationConfig: Record<string, unknown> },
): StoredFormat {
  return {
    format: "fp8",
    config: writer.quantizationConfig,
    store: (values, rows, columns) =>
      storedAsFloat8({ shape: [rows, columns], encoding: "F32", bytes: bytesOf(values) }, writer).parts,
  };
}

export const float8BlocksBf16: StoredFormat = float8({
  scaleName: "weight_scale_inv",
  block: [128, 128],
  scale: "BF16",
  quantizationConfig: {
    quant_method: "fp8",
    activation_scheme: "dynamic",
    weight_block_size: [128, 128],
    modules_to_not_convert: ["lm_head"],
  },
});

export const float8Rows: StoredFormat = float8({
  scaleName: "weight_scale",
  block: "row",
  scale: "F32",
  activationScales: ["input_scale_ub"],
  quantizationConfig: {
    quant_method: "fbgemm_fp8",
    activation_scale_ub: 1200,
    modules_to_not_convert: ["lm_head"],
  },
});
