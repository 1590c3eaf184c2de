/** The kernels behind EXL2 against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, it } from "vitest";
import { expectSame, randomNumbers, seed, withSwitch } from "../../../fixtures/guarded-memory.ts";
import { expectSameReads } from "../../../fixtures/linear-kernels.ts";
import { exl2Codec } from "../src/codec.ts";
import { type Exl2Integers, packExl2, unpackExl2 } from "../src/integers.ts";

const cases: readonly (readonly [
  rows: number,
  groups: readonly (readonly [bits: number, rows: number])[],
])[] = [
  [32, [[4, 32]]],
  [
    37,
    [
      [8, 32],
      [6, 64],
      [5, 32],
      [4, 128],
      [3, 64],
      [2, 96],
    ],
  ],
  [
    290,
    [
      [5, 128],
      [4, 384],
      [3, 160],
    ],
  ],
  [3, [[2, 64]]],
];

function randomIntegers(
  rows: number,
  groups: readonly (readonly [bits: number, rows: number])[],
  random: () => number,
): Exl2Integers {
  const bitsOfColumn = groups.flatMap(([bits, count]) => new Array<number>(count).fill(bits));
  const columns = bitsOfColumn.length;
  const invperm = Int32Array.from({ length: columns }, (_, i) => i);
  for (let i = columns - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [invperm[i], invperm[j]] = [invperm[j]!, invperm[i]!];
  }
  return {
    rows,
    groups: groups.map(([bits, count]) => ({ bits, rows: count })),
    invperm,
    codes: Uint8Array.from({ length: rows * columns }, (_, i) => random() * 2 ** bitsOfColumn[i % columns]!),
    nibbles: Uint8Array.from({ length: groups.length * rows }, () => random() * 16),
    maxScales: Float32Array.from(groups, () => Math.floor(random() * 2048) / 4096),
  };
}

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`EXL2 kernels (REQUANT_SEED=${seed})`, () => {
  it.each(cases)("%i rows in groups %j", (rows, groups) => {
    const integers = randomIntegers(rows, groups, randomNumbers(seed + rows));
    const { layout, bytes } = withSwitch(false, () => packExl2(integers));
    const packed = packExl2(integers);
    for (const [suffix, part] of Object.entries(bytes)) expectSame(packed.bytes[suffix]!, part, suffix);
    const { codes, nibbles } = unpackExl2(layout, bytes);
    expectSame(codes, integers.codes, "codes");
    expectSame(nibbles, integers.nibbles, "nibbles");
    expectSameReads(exl2Codec, layout, bytes);
  });
});
