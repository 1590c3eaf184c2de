/** Facts of stored f16 scales, found without arrays of floats, against those of the same numbers as floats. */
import { afterAll, describe, expect, it } from "vitest";
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { groupedFacts } from "../src/kernels/facts-twin.ts";
import { installKernels, uninstallKernels } from "../src/kernels/switch.ts";
import { halfToFloat } from "../src/numeric/half.ts";
import type { GroupedParameters } from "../src/view/facts.ts";
import * as reference from "../src/view/facts.ts";
import { sequentialGroups } from "../src/view/integer-view.ts";

afterAll(installKernels);

const COLUMNS = 256;

/** The numbers of `halves`, with zero points from `zeroOf`, in groups of `groupSize` columns. */
function parametersOf(halves: Uint16Array, groupSize: number, zeroOf: () => number): GroupedParameters {
  const groupCount = COLUMNS / groupSize;
  return {
    rows: halves.length / groupCount,
    columns: COLUMNS,
    groupCount,
    groupOfColumn: sequentialGroups(COLUMNS, groupSize),
    groupScales: Float32Array.from(halves, halfToFloat),
    groupZeros: Int16Array.from({ length: halves.length }, zeroOf),
    rounding: "none",
  };
}

const random = randomNumbers(seed);

/** f16 words by what is special about them. */
const halves: Readonly<Record<string, (index: number) => number>> = {
  "positive numbers": () => 0x1000 + 0x2000 * random(),
  "any finite numbers": () => (random() < 0.5 ? 0x8000 : 0) | (0x7c00 * random()),
  "bf16 numbers": () => (0x7c00 * random()) & 0xfff8,
  "numbers below the normal ones": () => 0x400 * random(),
  "both zeros in turn": (index) => (index % 2 === 0 ? 0 : 0x8000),
  "both zeros by group": (index) => (index < 512 ? 0 : 0x8000),
  "the largest number": () => 0x7bff,
};

describe("facts of f16 scales as they are stored", () => {
  for (const [name, wordOf] of Object.entries(halves)) {
    it(`equal those of the same floats: ${name}`, () => {
      for (const length of [1024, 40_000, 1004]) {
        const words = Uint16Array.from({ length }, (_, index) => wordOf(index));
        for (const groupSize of [COLUMNS, 128]) {
          for (const [zeroOf, onlyZero] of [
            [() => 8, 8],
            [() => 3, 3],
            [() => 16 * random(), undefined],
          ] as const) {
            const floats = parametersOf(words, groupSize, zeroOf);
            const stored = { ...floats, groupHalves: words, onlyZero };
            const expected = reference.groupedFacts(floats, 15);
            uninstallKernels();
            expect(groupedFacts(stored, 15)).toEqual(expected);
            installKernels();
            expect(groupedFacts(stored, 15)).toEqual(expected);
          }
        }
      }
    });
  }

  it("no array of floats or of zero points is made where there is a kernel", () => {
    const words = Uint16Array.from({ length: 1024 }, () => 0x2000);
    const { groupScales: _scales, groupZeros: _zeros, ...rest } = parametersOf(words, 128, () => 8);
    const made: string[] = [];
    const stored: GroupedParameters = {
      ...rest,
      get groupScales() {
        made.push("scales");
        return Float32Array.from(words, halfToFloat);
      },
      get groupZeros() {
        made.push("zeros");
        return new Int16Array(words.length).fill(8);
      },
      groupHalves: words,
      onlyZero: 8,
    };
    expect(groupedFacts(stored, 15).symmetric).toBe(true);
    expect(made).toEqual([]);
  });

  it("a scale that is not a number is named", () => {
    const words = Uint16Array.from({ length: 1024 }, () => 0x2000);
    words[512 + 7] = 0x7e00;
    const stored = { ...parametersOf(words, 128, () => 8), groupHalves: words, onlyZero: 8 };
    expect(() => groupedFacts(stored, 15)).toThrow("The scale of row 7, group 1 is NaN");
  });
});
