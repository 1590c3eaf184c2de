/** The kernels behind compressed-tensors against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, it } from "vitest";
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { expectSameReads, expectSameWrites, randomParts } from "../../../fixtures/linear-kernels.ts";
import { type CompressedTensorsLayout, compressedTensorsCodec } from "../src/packed-int.ts";

/** Rows and columns that fill words and tiles, fall short of them, and cross them. */
const cases: readonly (readonly [
  bits: number,
  rows: number,
  columns: number,
  groupSize: number,
  changes: Partial<CompressedTensorsLayout>,
])[] = [
  [4, 32, 64, 32, {}],
  [4, 33, 100, 32, { symmetric: false }],
  [4, 300, 1568, 128, { symmetric: false }],
  [8, 37, 544, 128, {}],
  [8, 37, 70, -1, { symmetric: false }],
  [2, 65, 130, 64, { symmetric: false }],
  [3, 40, 96, 32, { symmetric: false }],
  [5, 40, 107, 32, {}],
  [6, 33, 160, 32, { symmetric: false, scale: "BF16" }],
  [7, 33, 160, 32, { scale: "F32" }],
  [4, 64, 256, 64, { grouping: "any" }],
];

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`compressed-tensors kernels (REQUANT_SEED=${seed})`, () => {
  it.each(cases)("%i bits [%i, %i] in groups of %i %o", (bits, rows, columns, groupSize, changes) => {
    const layout: CompressedTensorsLayout = {
      rows,
      columns,
      bits,
      groupCount: groupSize === -1 ? 1 : Math.ceil(columns / groupSize),
      groupSize,
      symmetric: true,
      scale: "F16",
      grouping: "sequential",
      ...changes,
    };
    const random = randomNumbers(seed + 16 * bits);
    const bytes = randomParts(compressedTensorsCodec.parts(layout), layout.groupCount, random);
    new BigInt64Array(bytes["weight_shape"]!.buffer).set([BigInt(rows), BigInt(columns)]);
    expectSameReads(compressedTensorsCodec, layout, bytes);
    const view = compressedTensorsCodec.open(layout, bytes).toView(0, rows);
    expectSameWrites(compressedTensorsCodec, layout, view);
  });
});
