/** The kernel for four-bit codes of a table against the TypeScript, bit for bit. */
import { afterAll, describe, expect, it } from "vitest";
import {
  expectSame,
  floatsOf,
  guarded,
  randomNumbers,
  seed,
  withSwitch,
} from "../../../fixtures/guarded-memory.ts";
import { nibbleLevelWeight } from "../src/kernels/nibble-twin.ts";
import { installKernels, kernelsAreInstalled } from "../src/kernels/switch.ts";
import { E2M1_VALUES } from "../src/numeric/float4.ts";
import * as reference from "../src/view/nibble-weight.ts";

afterAll(installKernels);

const random = randomNumbers(seed);
/** Levels with all four bytes in use, as those of NF4. */
const other = Float32Array.from({ length: 16 }, () => random() * 2 - 1);

/** Rows, columns, columns in a group: that fill tiles and groups of steps, and that do not. */
const shapes: readonly (readonly [rows: number, columns: number, groupSize: number])[] = [
  [1, 16, 16],
  [7, 96, 16],
  [33, 160, 32],
  [300, 4096, 32],
  [3, 48, 48],
  [5, 40, 8],
  [2, 12, 2],
  [1, 262144, 64],
];

const scaleOf = (i: number): number => {
  const special = [0, -0, 2 ** -149, 2 ** -130, -2, 3.4e38, Number.NaN];
  return i % 5 === 0 ? special[(i / 5) % special.length]! : random() * 2 ** (random() * 40 - 20);
};

describe.skipIf(!kernelsAreInstalled())(`four-bit codes of a table (REQUANT_SEED=${seed})`, () => {
  it.each(shapes)("[%i, %i] in groups of %i", (rows, columns, groupSize) => {
    const bytes = Uint8Array.from({ length: (rows * columns) / 2 }, () => random() * 256);
    const scales = Float32Array.from({ length: (rows * columns) / groupSize }, (_, i) => scaleOf(i));
    const start = Math.floor(rows / 3);
    for (const levels of [E2M1_VALUES, other]) {
      const parameters = { rows, columns, levels, groupSize, scales };
      const expected = new Float32Array((rows - start) * columns);
      reference.nibbleLevelWeight(parameters, bytes).dequantize(start, rows, expected);
      for (const inside of [true, false]) {
        const out = guarded(inside, expected.byteLength);
        const codes = guarded(inside, bytes.length);
        codes.bytes.set(bytes);
        nibbleLevelWeight(parameters, codes.bytes).dequantize(start, rows, floatsOf(out.bytes));
        expectSame(out.bytes, new Uint8Array(expected.buffer), inside ? "inside" : "outside");
        out.check();
        codes.check();
        codes.release();
        out.release();
      }
    }
  });

  it("is off where kernels are", () => {
    const parameters = {
      rows: 1,
      columns: 16,
      levels: E2M1_VALUES,
      groupSize: 16,
      scales: Float32Array.of(2),
    };
    const bytes = Uint8Array.of(0x10, 0x32, 0x54, 0x76, 0x98, 0xba, 0xdc, 0xfe);
    const out = new Float32Array(16);
    withSwitch(false, () => nibbleLevelWeight(parameters, bytes).dequantize(0, 1, out));
    // OCP Microscaling Formats 1.0, the values of E2M1, times two
    expect([...out]).toEqual([0, 1, 2, 3, 4, 6, 8, 12, -0, -1, -2, -3, -4, -6, -8, -12]);
  });
});

it.each([
  [{ columns: 12, groupSize: 8 }, 6, /12 columns are not whole groups of 8/],
  [{ columns: 9, groupSize: 3 }, 4, /not whole groups of 3, an even number/],
  [{ columns: 8, groupSize: 8 }, 3, /16 levels, 1 scales and 3 bytes do not fit/],
])("sizes that do not belong together are refused: %o", (size, byteLength, message) => {
  const parameters = { rows: 1, levels: E2M1_VALUES, scales: Float32Array.of(1), ...size };
  expect(() => nibbleLevelWeight(parameters, new Uint8Array(byteLength))).toThrow(message);
});
