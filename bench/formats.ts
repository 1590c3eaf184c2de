/** 8-bit and 4-bit floats, MLX and NF4, to f32, in cache: the kernels of the formats beside ggml's types. */

import { bitsAndBytesCodec } from "@requant/bitsandbytes";
import { compressedFloat8Codec, float4Codec } from "@requant/compressed-tensors";
import { F16 } from "@requant/core";
import {
  allocateParts,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type RowWeight,
} from "@requant/core/format";
import { float8Codec } from "@requant/float8";
import { mlxCodec } from "@requant/mlx";
import { mxfp4Codec, nvfp4Codec } from "@requant/mxfp";
import { type InterleaveOptions, interleave } from "./interleave.ts";
import { randomNumbers } from "./random.ts";
import type { Measurement } from "./results.ts";
import { sampleBuffer } from "./sample-buffer.ts";
import { openSample, sameBits, type WeightSample, withoutKernels } from "./weight-sample.ts";

const [ROWS, COLUMNS] = [8, 4096];

/** A number between 0 and 1, 1 excluded. */
type Random = () => number;

/** What a part is filled with, by its encoding; the first part of each weight is the codes, which are any bytes. */
const FILLS: Readonly<Record<string, (random: Random, bytes: Uint8Array) => void>> = {
  F32: (random, bytes) => {
    const floats = Float32Array.from({ length: bytes.length / 4 }, () => 0.005 + 0.01 * random());
    bytes.set(new Uint8Array(floats.buffer));
  },
  F16: (random, bytes) => {
    const floats = Float32Array.from({ length: bytes.length / 2 }, () => 0.005 + 0.01 * random());
    F16.quantize?.(floats, floats.length, bytes);
  },
  // E4M3 numbers around 1
  F8_E4M3: (random, bytes) => fillBytes(bytes, () => 0x30 + 16 * random()),
  // E8M0 numbers around 1/100, and E4M3 numbers around 30
  U8: (random, bytes) => fillBytes(bytes, () => 118 + 4 * random()),
};

function fillBytes(bytes: Uint8Array, next: () => number): void {
  for (let i = 0; i < bytes.length; i++) bytes[i] = next();
}

interface FormatCase {
  readonly task: string;
  sample(): WeightSample<RowWeight>;
}

function caseOf<Layout extends LinearLayout, Claims>(
  task: string,
  codec: LinearCodec<Layout, Claims, RowWeight>,
  claims: Claims,
  parts: readonly LinearPart[],
  contents: Readonly<Record<string, Uint8Array>> = {},
): FormatCase {
  return {
    task: `${task} → f32`,
    sample() {
      const random = randomNumbers(11);
      const layout = codec.readLayout(parts, claims, {});
      const bytes: Record<string, Uint8Array> = { ...allocateParts(codec.parts(layout)) };
      const [codes] = parts;
      for (const { suffix, encoding } of codec.parts(layout)) {
        const own = bytes[suffix] ?? new Uint8Array(0);
        if (contents[suffix] !== undefined) own.set(contents[suffix]);
        else if (suffix !== codes?.suffix) FILLS[encoding]?.(random, own);
        // of the 8-bit floats those that are NaN are left out
        else fillBytes(own, () => (256 * random()) & (encoding === "F8_E4M3" ? 0xfe : 0xff));
      }
      return openSample(codec, layout, bytes);
    },
  };
}

const part = (suffix: string, encoding: string, ...shape: number[]): LinearPart => ({
  suffix,
  encoding,
  shape,
});

const state = {
  kind: "nf4",
  blockSize: 64,
  dtype: "BF16",
  rows: ROWS,
  columns: COLUMNS,
  nestedBlockSize: 0,
  nestedOffset: 0,
} as const;
const stateBytes = new TextEncoder().encode(
  `{"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [${ROWS}, ${COLUMNS}]}`,
);

const cases: readonly FormatCase[] = [
  caseOf("FP8, blocks of 128 × 128", float8Codec, { blockSize: [128, 128] }, [
    part("weight", "F8_E4M3", ROWS, COLUMNS),
    part("weight_scale_inv", "F32", 1, COLUMNS / 128),
  ]),
  caseOf("compressed-tensors FP8, one scale a row", compressedFloat8Codec, {}, [
    part("weight", "F8_E4M3", ROWS, COLUMNS),
    part("weight_scale", "F32", ROWS, 1),
  ]),
  caseOf("MLX 4-bit, groups of 64", mlxCodec, { bits: 4, groupSize: 64 }, [
    part("weight", "U32", ROWS, COLUMNS / 8),
    part("scales", "F16", ROWS, COLUMNS / 64),
    part("biases", "F16", ROWS, COLUMNS / 64),
  ]),
  caseOf("MLX MXFP4", mlxCodec, { bits: 4, groupSize: 32, mode: "mxfp4" }, [
    part("weight", "U32", ROWS, COLUMNS / 8),
    part("scales", "U8", ROWS, COLUMNS / 32),
  ]),
  caseOf("MLX NVFP4", mlxCodec, { bits: 4, groupSize: 16, mode: "nvfp4" }, [
    part("weight", "U32", ROWS, COLUMNS / 8),
    part("scales", "U8", ROWS, COLUMNS / 16),
  ]),
  caseOf("MXFP4 of gpt-oss", mxfp4Codec, {}, [
    part("blocks", "U8", 1, ROWS, COLUMNS / 32, 16),
    part("scales", "U8", 1, ROWS, COLUMNS / 32),
  ]),
  caseOf("NVFP4 of ModelOpt", nvfp4Codec, {}, [
    part("weight", "U8", ROWS, COLUMNS / 2),
    part("weight_scale", "F8_E4M3", ROWS, COLUMNS / 16),
    part("weight_scale_2", "F32"),
  ]),
  caseOf("compressed-tensors NVFP4", float4Codec, undefined, [
    part("weight_packed", "U8", ROWS, COLUMNS / 2),
    part("weight_scale", "F8_E4M3", ROWS, COLUMNS / 16),
    part("weight_global_scale", "F32", 1),
  ]),
  caseOf(
    "NF4, blocks of 64",
    bitsAndBytesCodec,
    { state },
    [
      part("weight", "U8", (ROWS * COLUMNS) / 2, 1),
      part("weight.absmax", "F32", (ROWS * COLUMNS) / 64),
      part("weight.quant_map", "F32", 16),
      part("weight.quant_state.bitsandbytes__nf4", "U8", stateBytes.length),
    ],
    { "weight.quant_state.bitsandbytes__nf4": stateBytes },
  ),
];

/** Each case in TypeScript alone and with its kernels, which must give the same bits. */
export function* measureFormats(options: InterleaveOptions): Generator<Measurement[]> {
  const count = ROWS * COLUMNS;
  for (const { task, sample } of cases) {
    const values = sampleBuffer(4 * count);
    const { weight, plainWeight, release } = sample();
    const out = values.floats();
    const plainOut = new Float32Array(count);
    const plain = withoutKernels(() => plainWeight.dequantize(0, ROWS, plainOut));
    const simd = (): void => weight.dequantize(0, ROWS, out);
    plain();
    simd();
    const contenders = [
      { name: "TypeScript", run: plain },
      { name: "SIMD", run: simd, same: sameBits(out, plainOut) },
    ];
    yield interleave("formats", task, 4 * count, contenders, options);
    release();
    values.release();
  }
}
