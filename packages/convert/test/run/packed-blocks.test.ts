/** GPTQ and AWQ weights straight to blocks, with kernels and without, bit for bit. */
import { awqCodec } from "@requant/awq";
import type { LinearCodec, LinearLayout, PartBytes } from "@requant/core/format";
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { blockRowsByteLength, viewTypeByName, weightToBlocks } from "@requant/gguf";
import { type GptqLayout, gptqCodec } from "@requant/gptq";
import { afterAll, describe, expect, it } from "vitest";
import { expectSame, guarded, randomNumbers, seed, withSwitch } from "../../../../fixtures/guarded-memory.ts";
import { randomParts } from "../../../../fixtures/linear-kernels.ts";

afterAll(installKernels);

/** All rows, a band, and one row, of what a codec opens; the parts lie in the kernels' memory or outside. */
function expectSameBlocks<Layout extends LinearLayout, Claims>(
  codec: LinearCodec<Layout, Claims>,
  layout: Layout,
  bytes: PartBytes,
  isPacked: boolean,
): void {
  const { rows, columns } = layout;
  for (const inside of [true, false]) {
    const type = [viewTypeByName("Q4_0"), viewTypeByName("Q5_0")];
    const out = guarded(inside, blockRowsByteLength(type[1]!, rows, columns));
    const guards = Object.entries(bytes).map(([suffix, part]) => ({
      suffix,
      part,
      guard: guarded(inside, part.length),
    }));
    const placed = Object.fromEntries(
      guards.map(({ suffix, part, guard }) => {
        guard.bytes.set(part);
        return [suffix, guard.bytes];
      }),
    );
    const weight = codec.open(layout, placed);
    expect(weight.nibbles !== undefined, "packed as it is").toBe(isPacked);
    const plain = withSwitch(false, () => codec.open(layout, bytes));
    for (const [target, start, end] of type.flatMap((one) => [
      [one, 0, rows] as const,
      [one, 3, rows - 5] as const,
      [one, 8, 9] as const,
    ])) {
      const what = `${target.name}, rows ${start} to ${end}, ${inside ? "inside" : "outside"}`;
      const band = out.bytes.subarray(0, blockRowsByteLength(target, end - start, columns));
      const outcome = (run: () => Uint8Array): Uint8Array => {
        try {
          return run();
        } catch (error) {
          return new TextEncoder().encode(String(error));
        }
      };
      const expected = withSwitch(false, () =>
        outcome(() => {
          const blocks = new Uint8Array(band.length);
          weightToBlocks(target, plain, start, end, blocks);
          return blocks;
        }),
      );
      const actual = outcome(() => {
        weightToBlocks(target, weight, start, end, band);
        return band;
      });
      expectSame(actual, expected, what);
      out.check();
      for (const { guard } of guards) guard.check();
    }
    for (const { guard } of guards) guard.release();
    out.release();
  }
}

const gptq: Omit<GptqLayout, "rows" | "columns" | "groupCount"> = {
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

/** What is said of zero points: a byte of two fields for all, or any. */
const gptqCases: readonly (readonly [string, Partial<GptqLayout>, number | undefined, boolean])[] = [
  ["v1, symmetric", { zeros: "minus-one" }, 0x77, true],
  ["v2, symmetric", {}, 0x88, true],
  ["v1 by words, symmetric", { zeros: "minus-one-word" }, 0x77, true],
  ["v1 by words, symmetric, stored as v2", { zeros: "minus-one-word" }, 0x88, true],
  ["v2, any zero points", {}, undefined, true],
  ["v1 by words, any zero points", { zeros: "minus-one-word" }, undefined, true],
  ["v1 by words, all ones", { zeros: "minus-one-word" }, 0xff, true],
  ["v1, zero points up to 16", { zeros: "minus-one" }, undefined, false],
  ["v1, all zero points 16", { zeros: "minus-one" }, 0xff, false],
  ["two zero points", {}, 0x87, true],
  ["one group", { groupSize: -1 }, 0x88, true],
  ["small groups", { groupSize: 32 }, undefined, true],
  ["groups of 48", { groupSize: 48 }, 0x88, true],
  ["act-order", { grouping: "any", hasGroupIndex: true }, 0x88, true],
  ["BF16 scales", { scale: "BF16" }, 0x88, false],
  ["8 bits", { bits: 8 }, undefined, false],
  ["16-bit words", { packDtype: "int16" }, 0x88, false],
];

describe.skipIf(!kernelsAreInstalled())(`packed weights to blocks (REQUANT_SEED=${seed})`, () => {
  it.each(gptqCases)("GPTQ, %s", (name, changes, zeroByte, isPacked) => {
    const random = randomNumbers(seed ^ Math.imul(name.length + 7, 0x9e3779b9));
    for (const [rows, columns] of [
      [32, 96],
      [160, 544],
    ] as const) {
      const { groupSize } = { ...gptq, ...changes };
      const groupCount = groupSize === -1 ? 1 : Math.ceil(columns / groupSize);
      const layout: GptqLayout = { ...gptq, ...changes, rows, columns, groupCount };
      const bytes = randomParts(gptqCodec.parts(layout), groupCount, random);
      if (zeroByte !== undefined) bytes["qzeros"]?.fill(zeroByte);
      else bytes["qzeros"]?.fill(0xff, 0, 1);
      expectSameBlocks(gptqCodec, layout, bytes, isPacked);
    }
  });

  it.each([
    ["groups of 32", { groupSize: 32 }, undefined, true],
    ["one group", { groupSize: -1 }, undefined, true],
    ["symmetric", { groupSize: 32 }, 0x88, true],
    ["one zero point, not 8", { groupSize: 32 }, 0x77, true],
    ["BF16 scales", { scale: "BF16" }, undefined, false],
  ] as const)("AWQ, %s", (name, changes, zeroByte, isPacked) => {
    const random = randomNumbers(seed ^ Math.imul(name.length + 5, 0x9e3779b9));
    for (const [rows, columns] of [
      [32, 32],
      [168, 544],
    ] as const) {
      const { groupSize } = { groupSize: 32, ...changes };
      const groupCount = groupSize === -1 ? 1 : columns / groupSize;
      const layout = {
        version: "gemm",
        scale: "F16",
        ...changes,
        rows,
        columns,
        groupCount,
        groupSize,
      } as const;
      const bytes = randomParts(awqCodec.parts(layout), groupCount, random);
      if (zeroByte !== undefined) bytes["qzeros"]?.fill(zeroByte);
      expectSameBlocks(awqCodec, layout, bytes, isPacked);
    }
  });
});
