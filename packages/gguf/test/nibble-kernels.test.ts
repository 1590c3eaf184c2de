/**
 * The kernels from 4-bit codes as they are stored to blocks, against the TypeScript from unpacked codes, bit for bit. The
 * test itself packs the codes, field by field, as PackedNibbles describes.
 */
import { halfToFloat } from "@requant/core";
import { type LinearWeight, type PackedNibbles, viewWeight } from "@requant/core/format";
import {
  allocateKernelBuffer,
  installKernels,
  kernelAddress,
  kernelsAreInstalled,
} from "@requant/core/kernels";
import { sequentialGroups } from "@requant/core/view";
import { afterAll, describe, expect, it } from "vitest";
import {
  expectSame,
  type Guarded,
  guarded,
  randomNumbers,
  seed,
  withSwitch,
} from "../../../fixtures/guarded-memory.ts";
import { weightToBlocks } from "../src/kernels/blocks-twin.ts";
import * as reference from "../src/view/index.ts";
import { blockRowsByteLength, viewTypeByName } from "../src/view/index.ts";

interface Case {
  readonly along: PackedNibbles["along"];
  readonly type: "Q4_0" | "Q5_0";
  readonly rows: number;
  readonly columns: number;
  readonly groupSize: number;
  /** The zero point of all groups; undefined: each has its own. */
  readonly zero?: number;
  readonly groups?: (column: number) => number;
}

const shapes = [
  { rows: 8, columns: 32, groupSize: 32 },
  { rows: 40, columns: 96, groupSize: 32 },
  { rows: 136, columns: 224, groupSize: -1 },
  { rows: 296, columns: 512, groupSize: 128 },
  // more blocks of a row than are written together
  { rows: 72, columns: 608, groupSize: 32 },
  // beyond the rows that are taken at a time, and a number of blocks that is odd
  { rows: 2120, columns: 160, groupSize: 64 },
];

const cases: readonly Case[] = (["columns", "rows"] as const).flatMap((along) =>
  shapes.flatMap((shape) => [
    { ...shape, along, type: "Q4_0" as const, zero: 8 },
    { ...shape, along, type: "Q5_0" as const, zero: 8 },
    { ...shape, along, type: "Q5_0" as const, zero: 0 },
    { ...shape, along, type: "Q5_0" as const },
  ]),
);

/** Bits of a row's field in a word that holds eight rows. */
const ROW_SHIFTS = [0, 16, 4, 20, 8, 24, 12, 28];

/** Too long for one tile; the tiles of each row have an odd number of blocks and an even one. */
const longRows = (["columns", "rows"] as const).map(
  (along): Case => ({ along, type: "Q5_0", rows: 264, columns: 4128, groupSize: 96 }),
);

/** For the buffers of the largest case. */
const ROOM = 4 * 1024 * 1024;

interface Sample {
  readonly weight: LinearWeight;
  readonly codes: Uint8Array;
  readonly guards: readonly Guarded[];
  /** Rows that `toView` unpacked. */
  unpacked(): number;
}

/** Words and scales in the kernels' memory or outside, canaries around them. */
function sampleOf(
  { along, rows, columns, groupSize, zero, groups }: Case,
  random: () => number,
  inside: { readonly words: boolean; readonly scales: boolean },
): Sample {
  const groupOfColumn =
    groups === undefined
      ? sequentialGroups(columns, groupSize)
      : Int32Array.from({ length: columns }, (_, column) => groups(column));
  const groupCount = Math.max(...groupOfColumn) + 1;
  const codes = Uint8Array.from({ length: rows * columns }, () => 16 * random());
  const halves = Uint16Array.from({ length: rows * groupCount }, () => 0xbbff & (0x10000 * random()));
  const zeros = Uint8Array.from({ length: rows * groupCount }, () => zero ?? 16 * random());
  const words = guarded(inside.words, (rows * columns) / 2);
  const scales = guarded(inside.scales, 2 * halves.length);
  const wordsOf = (): Uint32Array =>
    new Uint32Array(words.bytes.buffer, words.bytes.byteOffset, (rows * columns) / 8);
  wordsOf().fill(0);
  codes.forEach((code, i) => {
    const [row, column] = [Math.floor(i / columns), i % columns];
    const [word, shift] =
      along === "columns"
        ? [(column >> 3) * rows + row, 4 * (column & 7)]
        : [column * (rows / 8) + (row >> 3), ROW_SHIFTS[row & 7]!];
    const all = wordsOf();
    all[word] = all[word]! | (code << shift);
  });
  const halvesThere = new Uint16Array(scales.bytes.buffer, scales.bytes.byteOffset, halves.length);
  halvesThere.set(halves);
  const byRow = <T>(at: (index: number) => T): T[] =>
    Array.from({ length: rows * groupCount }, (_, i) =>
      at((i % groupCount) * rows + Math.floor(i / groupCount)),
    );
  let unpacked = 0;
  const weight = viewWeight(
    {
      rows,
      columns,
      groupCount,
      groupOfColumn,
      scales: Float32Array.from(byRow((i) => halfToFloat(halves[i]!))),
      zeros: Int16Array.from(byRow((i) => zeros[i]!)),
      rounding: "none",
    },
    32,
    (rowStart, rowEnd, into, columnStart, columnEnd) => {
      if (into.length > 0) unpacked += (rowEnd - rowStart) * (columnEnd - columnStart);
      for (let row = rowStart, at = 0; row < rowEnd; row++, at += columnEnd - columnStart) {
        into.set(codes.subarray(row * columns + columnStart, row * columns + columnEnd), at);
      }
    },
    { along, words: wordsOf(), groupOfColumn, scales: halvesThere, zeros: zero ?? zeros },
  );
  return { weight, codes, guards: [words, scales], unpacked: () => unpacked / columns };
}

function bandsOf(rows: number, random: () => number): (readonly [number, number])[] {
  const some = Array.from({ length: 6 }, () => {
    const start = Math.floor(random() * rows);
    return [start, start + 1 + Math.floor(random() * (rows - start))] as const;
  });
  return [[0, rows], [rows - 1, rows], [0, 0], ...some];
}

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`nibble kernels (REQUANT_SEED=${seed})`, () => {
  it.each(
    [...cases, ...longRows].map(
      (item, index) =>
        [
          `${item.along} to ${item.type}, [${item.rows}, ${item.columns}], groups of ${item.groupSize}, zero point ${item.zero ?? "any"}`,
          item,
          index,
        ] as const,
    ),
  )("%s", (_, item, index) => {
    const random = randomNumbers(seed ^ Math.imul(index + 1, 0x9e3779b9));
    const type = viewTypeByName(item.type);
    const { rows, columns } = item;
    const rowByteLength = blockRowsByteLength(type, 1, columns);
    // the memory does not grow while a buffer is held
    allocateKernelBuffer(ROOM).release();
    for (const place of [
      { words: true, scales: true, out: true },
      { words: true, scales: false, out: true },
      { words: false, scales: true, out: true },
      { words: true, scales: true, out: false },
    ]) {
      // everything is allocated first: views end with the next allocation
      const out = guarded(place.out, rows * rowByteLength);
      const { weight, guards, unpacked } = sampleOf(item, random, place);
      const isPossible = place.words;
      expect(kernelAddress(weight.nibbles!.words) !== undefined).toBe(place.words);
      for (const [start, end] of bandsOf(rows, random)) {
        const what = `${JSON.stringify(place)}, rows ${start} to ${end}`;
        const band = out.bytes.subarray(0, (end - start) * rowByteLength);
        const expected = new Uint8Array(band.length);
        reference.weightToBlocks(type, weight, start, end, expected);
        const before = unpacked();
        weightToBlocks(type, weight, start, end, band);
        expectSame(band, expected, what);
        // the rows at the edges that are less than a kernel takes
        const edges = unpacked() - before;
        const isPacked = edges < (item.along === "columns" ? 4 : 39);
        expect(isPossible ? isPacked : edges >= end - start, `${what}, rows unpacked: ${edges}`).toBe(true);
        out.check();
        for (const guard of guards) guard.check();
      }
      for (const guard of [out, ...guards]) guard.release();
    }
  });

  it.each([
    ["Q4_0 of other zero points than 8", { type: "Q4_0", zero: 7 }],
    ["groups that end within 32 columns", { type: "Q5_0", groupSize: 48 }],
    ["act-order", { type: "Q5_0", groups: (column: number): number => column % 3 }],
  ] as const)("leave %s to the tile kernels", (_, changes) => {
    const random = randomNumbers(seed ^ 77);
    const item: Case = { along: "columns", rows: 64, columns: 192, groupSize: 64, zero: 8, ...changes };
    const type = viewTypeByName(item.type);
    const out = guarded(true, blockRowsByteLength(type, 64, 192));
    const { weight, unpacked, guards } = sampleOf(item, random, { words: true, scales: true });
    const outcome = (bytes: Uint8Array, make = weightToBlocks): string => {
      try {
        make(type, weight, 0, 64, bytes);
        return bytes.join(" ");
      } catch (error) {
        return String(error);
      }
    };
    const expected = outcome(new Uint8Array(out.bytes.length), reference.weightToBlocks);
    const before = unpacked();
    expect(outcome(out.bytes)).toBe(expected);
    expect(unpacked() - before >= 64).toBe(true);
    for (const guard of [out, ...guards]) guard.release();
  });

  it("are off with the switch", () => {
    const random = randomNumbers(seed);
    const item: Case = { along: "rows", type: "Q5_0", rows: 64, columns: 64, groupSize: 32 };
    const type = viewTypeByName("Q5_0");
    const out = guarded(true, blockRowsByteLength(type, 64, 64));
    const { weight, unpacked, guards } = sampleOf(item, random, { words: true, scales: true });
    weightToBlocks(type, weight, 0, 64, out.bytes);
    expect(unpacked()).toBe(0);
    withSwitch(false, () => weightToBlocks(type, weight, 0, 64, out.bytes));
    expect(unpacked()).toBe(64);
    for (const guard of [out, ...guards]) guard.release();
  });
});
