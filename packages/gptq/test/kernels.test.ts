/** The kernels behind GPTQ against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, it } from "vitest";
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { expectSameReads, expectSameWrites, randomParts } from "../../../fixtures/linear-kernels.ts";
import { type GptqLayout, gptqCodec } from "../src/codec.ts";

const plain: Omit<GptqLayout, "rows" | "columns" | "groupCount"> = {
  bits: 4,
  groupSize: 128,
  sym: false,
  packing: "stream",
  packDtype: "int32",
  zeros: "stored",
  scale: "F16",
  grouping: "sequential",
  hasGroupIndex: false,
};

/** Rows and columns that fill tiles, fall short of them, and cross them. */
const shapes: readonly (readonly [rows: number, columns: number])[] = [
  [32, 32],
  [96, 96],
  [160, 544],
];

const cases: readonly (readonly [name: string, changes: Partial<GptqLayout>])[] = [
  ...[2, 3, 4, 5, 6, 8].map((bits) => [`${bits} bits`, { bits, packing: "stream" }] as const),
  ...[3, 5, 6, 7].map((bits) => [`planar, ${bits} bits`, { bits, packing: "planar" }] as const),
  ["16-bit words", { packDtype: "int16" }],
  ["8-bit words", { packDtype: "int8", bits: 2 }],
  ["v1, zero points up to 16", { zeros: "minus-one" }],
  ["v1 by words", { zeros: "minus-one-word" }],
  ["one group", { groupSize: -1 }],
  ["small groups", { groupSize: 32 }],
  ["act-order", { grouping: "any", hasGroupIndex: true }],
  ["act-order, 3 bits", { bits: 3, grouping: "any", hasGroupIndex: true }],
  ["BF16 scales", { scale: "BF16" }],
  ["F32 scales", { scale: "F32" }],
];

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`GPTQ kernels (REQUANT_SEED=${seed})`, () => {
  it.each(cases)("%s", (name, changes) => {
    const random = randomNumbers(seed ^ Math.imul(name.length + 7, 0x9e3779b9));
    for (const [rows, columns] of shapes) {
      const { groupSize } = { ...plain, ...changes };
      const groupCount = groupSize === -1 ? 1 : Math.ceil(columns / groupSize);
      const layout: GptqLayout = { ...plain, ...changes, rows, columns, groupCount };
      const bytes = randomParts(gptqCodec.parts(layout), groupCount, random);
      expectSameReads(gptqCodec, layout, bytes);
      // v1 cannot store all that it can hold
      if (layout.zeros !== "minus-one") {
        expectSameWrites(gptqCodec, layout, gptqCodec.open(layout, bytes).toView(0, rows));
      }
    }
  });

  it("4 bits, beyond one tile of rows and columns", () => {
    const layout: GptqLayout = { ...plain, rows: 544, columns: 1568, groupCount: 13 };
    const bytes = randomParts(gptqCodec.parts(layout), 13, randomNumbers(seed));
    expectSameReads(gptqCodec, layout, bytes);
  });
});
