/**
 * The kernels from views to blocks against the TypeScript, bit for bit, and the views that they must leave to the
 * TypeScript.
 */
import { floatToHalf, halfToFloat, isCodecError } from "@requant/core";
import { viewWeight } from "@requant/core/format";
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { type IntegerView, sequentialGroups } from "@requant/core/view";
import { afterAll, describe, expect, it } from "vitest";
import { expectSame, guarded, randomNumbers, seed, withSwitch } from "../../../fixtures/guarded-memory.ts";
import { viewToBlocks, weightToBlocks } from "../src/kernels/blocks-twin.ts";
import { hasKernel } from "../src/kernels/module.ts";
import * as reference from "../src/view/index.ts";
import { blockRowsByteLength, viewTypes } from "../src/view/index.ts";

interface Kind {
  readonly name: string;
  readonly groupSize: number;
  readonly maxCode: number;
  readonly zero: (random: () => number) => number;
  readonly scale?: (random: () => number) => number;
  /** Changes one code of about a thousand. */
  readonly stray?: number;
}

const half = (value: number): number => halfToFloat(floatToHalf(value));
const natural = (random: () => number): number => half(0.02 * (random() - 0.3));

/** Views that fit some types as they are, others after moving the codes, others not at all. */
const kinds: readonly Kind[] = [
  { name: "symmetric 4 bits", groupSize: 128, maxCode: 15, zero: () => 8 },
  { name: "small groups", groupSize: 32, maxCode: 15, zero: () => 8 },
  { name: "groups of 64 with zero points", groupSize: 64, maxCode: 15, zero: (random) => 16 * random() },
  { name: "large groups with zero points", groupSize: 256, maxCode: 15, zero: (random) => 17 * random() },
  { name: "one group", groupSize: 512, maxCode: 31, zero: () => 16 },
  { name: "8 bits", groupSize: 128, maxCode: 255, zero: () => 128 },
  { name: "8 bits with zero points", groupSize: 128, maxCode: 255, zero: (random) => 100 + 56 * random() },
  { name: "7 bits around 64", groupSize: 128, maxCode: 127, zero: () => 64 },
  { name: "wild zero points", groupSize: 128, maxCode: 15, zero: (random) => 30000 * (random() - 0.5) },
  { name: "zero points that wrap around", groupSize: 128, maxCode: 15, zero: () => 264 },
  { name: "a zero point of −248", groupSize: 128, maxCode: 15, zero: () => -248 },
  { name: "a stray code", groupSize: 128, maxCode: 15, zero: () => 8, stray: 16 },
  {
    name: "a stray code of 255",
    groupSize: 128,
    maxCode: 15,
    zero: (random) => 7 + 2 * random(),
    stray: 255,
  },
  { name: "small codes, uneven zero points", groupSize: 128, maxCode: 3, zero: (random) => 5 * random() },
  {
    name: "one stray infinity",
    groupSize: 128,
    maxCode: 15,
    zero: () => 8,
    scale: () => Number.POSITIVE_INFINITY,
  },
  { name: "f32 scales", groupSize: 128, maxCode: 15, zero: () => 8, scale: (random) => random() - 0.5 },
  {
    name: "large and tiny scales",
    groupSize: 64,
    maxCode: 15,
    zero: () => 8,
    scale: (random) => 2 ** (60 * random() - 40),
  },
  {
    name: "zeros with a sign",
    groupSize: 32,
    maxCode: 15,
    zero: (random) => 8 + 2 * random(),
    scale: (random) => (random() < 0.5 ? 0 : -0),
  },
  {
    name: "equal scales in each row",
    groupSize: 32,
    maxCode: 15,
    zero: (random) => 16 * random(),
    scale: () => 0.5,
  },
  { name: "groups of 48", groupSize: 48, maxCode: 15, zero: () => 8 },
];

const [rows, columns] = [37, 512];

function viewOf(
  { groupSize, maxCode, zero, scale = natural, stray }: Kind,
  random: () => number,
): IntegerView {
  const groupOfColumn = sequentialGroups(columns, groupSize);
  const groupCount = groupOfColumn.at(-1)! + 1;
  const code = (): number =>
    stray !== undefined && random() < 0.001 ? stray : Math.floor((maxCode + 1) * random());
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    codes: Uint8Array.from({ length: rows * columns }, code),
    scales: Float32Array.from({ length: rows * groupCount }, () => scale(random)),
    zeros: Int16Array.from({ length: rows * groupCount }, () => Math.floor(zero(random))),
    rounding: "none",
  };
}

/** The blocks, or why there are none. */
function outcome(run: () => Uint8Array): Uint8Array | string {
  try {
    return run();
  } catch (error) {
    if (!isCodecError(error)) throw error;
    return error.message;
  }
}

function expectSameOutcome(actual: Uint8Array | string, expected: Uint8Array | string, what: string): void {
  if (typeof actual === "string" || typeof expected === "string") expect(actual, what).toBe(expected);
  else expectSame(actual, expected, what);
}

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`view kernels (REQUANT_SEED=${seed})`, () => {
  const types = viewTypes.filter(({ name }) => hasKernel(`gridTo${name}`));

  it("exist for the types that packed weights become", () => {
    const names = types.map(({ name }) => name);
    const missing = ["Q4_0", "Q4_1", "Q4_K", "Q5_0", "Q8_0"].filter((name) => !names.includes(name));
    expect(missing).toEqual([]);
  });

  it.each(types.map((type) => [type.name, type] as const))("%s", (name, type) => {
    const random = randomNumbers(seed ^ Math.imul(name.length + 7, 0x9e3779b9));
    const byteLength = blockRowsByteLength(type, rows, columns);
    let held = 0;
    for (const kind of kinds) {
      const view = viewOf(kind, random);
      const toBlocks = (make: typeof viewToBlocks): Uint8Array | string =>
        outcome(() => {
          const out = new Uint8Array(byteLength);
          make(type, view, out);
          return out;
        });
      const expected = toBlocks(reference.viewToBlocks);
      expectSameOutcome(
        withSwitch(false, () => toBlocks(viewToBlocks)),
        expected,
        `${kind.name}, switched off`,
      );
      if (typeof expected !== "string") held++;
      for (const inside of [true, false]) {
        const out = guarded(inside, byteLength);
        const codes = guarded(inside, view.codes.length);
        codes.bytes.set(view.codes);
        const where = `${kind.name}, ${inside ? "inside" : "outside"}`;
        const placed = { ...view, codes: codes.bytes };
        const actual = outcome(() => {
          viewToBlocks(type, placed, out.bytes);
          return out.bytes;
        });
        expectSameOutcome(actual, expected, where);
        out.check();
        codes.check();
        out.bytes.fill(0);
        const weight = viewWeight(view, 32, (rowStart, rowEnd, into, columnStart, columnEnd) => {
          for (let row = rowStart, at = 0; row < rowEnd; row++, at += columnEnd - columnStart) {
            into.set(view.codes.subarray(row * columns + columnStart, row * columns + columnEnd), at);
          }
        });
        const tiled = outcome(() => {
          weightToBlocks(type, weight, 0, rows, out.bytes);
          return out.bytes;
        });
        expectSameOutcome(tiled, expected, `${where}, in tiles`);
        out.check();
        if (typeof expected !== "string") {
          const band = out.bytes.subarray(0, byteLength / rows);
          weightToBlocks(type, weight, 5, 6, band);
          expectSame(band, expected.subarray(5 * band.length, 6 * band.length), `${where}, one row`);
        }
        out.release();
        codes.release();
      }
    }
    expect(held, "kinds of views that the type holds").toBeGreaterThan(2);
  });
});
