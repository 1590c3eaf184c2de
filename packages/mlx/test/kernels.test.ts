/** The kernels behind MLX against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, it } from "vitest";
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { expectSameRows, randomParts } from "../../../fixtures/linear-kernels.ts";
import { type MlxLayout, mlxCodec } from "../src/codec.ts";

/** Rows and columns that fill tiles, fall short of them, and cross them. */
const cases: readonly (readonly [
  rows: number,
  columns: number,
  layout: Omit<MlxLayout, "rows" | "columns">,
])[] = [
  [33, 64, { mode: "affine", bits: 1, groupSize: 32, scale: "BF16" }],
  [65, 192, { mode: "affine", bits: 2, groupSize: 64, scale: "F16" }],
  [40, 96, { mode: "affine", bits: 3, groupSize: 32, scale: "F32" }],
  [300, 1536, { mode: "affine", bits: 4, groupSize: 64, scale: "BF16" }],
  [3, 16384, { mode: "affine", bits: 4, groupSize: 128, scale: "F16" }],
  [36, 384, { mode: "affine", bits: 5, groupSize: 128, scale: "BF16", experts: 4 }],
  [33, 160, { mode: "affine", bits: 6, groupSize: 32, scale: "F16" }],
  [37, 544, { mode: "affine", bits: 8, groupSize: 32, scale: "F16" }],
  [70, 288, { mode: "mxfp4", bits: 4, groupSize: 32, scale: "U8" }],
  [70, 288, { mode: "mxfp8", bits: 8, groupSize: 32, scale: "U8" }],
  [66, 80, { mode: "nvfp4", bits: 4, groupSize: 16, scale: "U8" }],
  [66, 80, { mode: "nvfp4", bits: 4, groupSize: 16, scale: "U8", globalScale: "tensor" }],
  [66, 80, { mode: "nvfp4", bits: 4, groupSize: 16, scale: "U8", globalScale: "experts", experts: 3 }],
];

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`MLX kernels (REQUANT_SEED=${seed})`, () => {
  it.each(cases)("[%i, %i] %o", (rows, columns, rest) => {
    const layout = { rows, columns, ...rest };
    const random = randomNumbers(seed + rest.bits);
    const bytes = randomParts(mlxCodec.parts(layout), columns / rest.groupSize, random);
    // a NaN has many bit patterns
    if (rest.scale === "U8") {
      const scales = bytes["scales"] ?? new Uint8Array(0);
      scales.forEach((byte, i) => {
        scales[i] = rest.mode === "nvfp4" ? byte % 127 : byte % 255;
      });
    }
    if (rest.mode === "mxfp8") {
      const codes = bytes["weight"] ?? new Uint8Array(0);
      codes.forEach((code, i) => {
        codes[i] = (code & 127) === 127 ? 0 : code;
      });
    }
    expectSameRows(mlxCodec, layout, bytes);
  });
});
