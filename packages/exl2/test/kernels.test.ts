/** The kernels behind EXL2 against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, expect, it } from "vitest";
import { expectSame, randomNumbers, seed, withSwitch } from "../../../fixtures/guarded-memory.ts";
import { expectSameReads } from "../../../fixtures/linear-kernels.ts";
import * as referenceCodes from "../src/choose-codes.ts";
import { exl2Codec } from "../src/codec.ts";
import { type Exl2Integers, packExl2, unpackExl2 } from "../src/integers.ts";
import { roundCodes } from "../src/kernels/choose-codes-twin.ts";
import { searchScales } from "../src/kernels/search-scales-twin.ts";
import { half } from "../src/scales.ts";
import * as reference from "../src/search-scales.ts";

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

describe.skipIf(!kernelsAreInstalled())("the search for scales", () => {
  const random = randomNumbers(seed);
  const noise = (): number => random() + random() + random() - 1.5;

  /** Rows of different sizes, one of zeros, one that f16 scales hardly hold. */
  function weights(rows: number, width: number): Float32Array {
    return Float32Array.from({ length: rows * width }, (_, i) => {
      const row = Math.floor(i / width);
      return row === 3 ? 0 : noise() * (row === 5 ? 1e-7 : 0.02 * (1 + (row % 7)));
    });
  }

  it.each([2, 3, 4, 5, 6, 8])("chooses the same maximum and shares of %i bits", (bits) => {
    for (const [rows, width, start, size] of [
      [300, 160, 32, 128],
      [97, 64, 0, 32],
      [2100, 72, 8, 64],
      [8, 96, 0, 96],
    ] as const) {
      const importance = Float32Array.from({ length: width }, () => Math.exp(3 * noise()));
      for (const given of [undefined, importance]) {
        const values = weights(rows, width);
        const group = { values, rows, width, start, size, bits, importance: given };
        const [expected, actual] = [new Uint8Array(rows), new Uint8Array(rows)];
        const what = `${rows} rows, ${size} columns, ${given === undefined ? "cubes" : "importance"}`;
        const maximum = reference.searchScales(group, expected);
        expect(maximum, what).toBeGreaterThan(0);
        expect(searchScales(group, actual), what).toBe(maximum);
        expectSame(actual, expected, what);
      }
    }
  });

  it.each([2, 3, 4, 5, 6, 8])("and the rounding give the same codes and errors of %i bits", (bits) => {
    const [rows, width, start, size] = [1100, 160, 32, 128];
    const importance = Float32Array.from({ length: width }, () => Math.exp(3 * noise()));
    const scales = Float32Array.from({ length: rows }, (_, row) => (row === 3 ? 0 : half(0.01 * random())));
    scales[5] = half(1e-7);
    for (const given of [undefined, importance]) {
      const group = { values: weights(rows, width), rows, width, start, size, bits, importance: given };
      // ties, which go to the even level
      for (let i = 0; i < width; i++) group.values[7 * width + i] = scales[7]! * ((i % 9) - 4.5);
      const [expected, actual] = [new Uint8Array(rows * width), new Uint8Array(rows * width)];
      const error = referenceCodes.roundCodes(group, scales, expected);
      expect(error).toBeGreaterThan(0);
      expect(roundCodes(group, scales, actual)).toBe(error);
      expectSame(actual, expected, given === undefined ? "alike" : "importance");
    }
  });

  it("finds no maximum where f16 holds none, and 0 for zeros", () => {
    const group = { rows: 2, width: 32, start: 0, size: 32, bits: 4, importance: undefined };
    const nibbles = new Uint8Array(2);
    expect(searchScales({ ...group, values: new Float32Array(64).fill(1e9) }, nibbles)).toBe(undefined);
    expect(searchScales({ ...group, values: new Float32Array(64) }, nibbles)).toBe(0);
    expect([...nibbles]).toEqual([15, 15]);
  });
});
