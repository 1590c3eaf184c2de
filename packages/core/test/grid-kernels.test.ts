/** The kernels of fields and views against the TypeScript, bit for bit. */
import { afterAll, describe, expect, it } from "vitest";
import {
  expectSame,
  floatsOf,
  guarded,
  randomNumbers,
  seed,
  withSwitch,
} from "../../../fixtures/guarded-memory.ts";
import type { FieldStreams } from "../src/bits/field-table.ts";
import * as reference from "../src/bits/fields.ts";
import { viewFacts } from "../src/kernels/facts-twin.ts";
import { packFields, unpackFields } from "../src/kernels/fields-twin.ts";
import { fitView } from "../src/kernels/fit-twin.ts";
import { dequantizeView } from "../src/kernels/grid-twin.ts";
import { kernelFits } from "../src/kernels/hidden-twin.ts";
import { installKernels, kernelsAreInstalled } from "../src/kernels/switch.ts";
import { viewWeight } from "../src/kernels/weight-twin.ts";
import { E2M1_VALUES } from "../src/numeric/float4.ts";
import { E4M3_VALUES } from "../src/numeric/float8.ts";
import { floatToHalf, halfToFloat } from "../src/numeric/half.ts";
import * as referenceFacts from "../src/view/facts.ts";
import * as referenceFit from "../src/view/fit.ts";
import { type GridFits, referenceFits } from "../src/view/grid-fits.ts";
import { readFit } from "../src/view/hidden-fits.ts";
import type { HiddenGrid, HidingType } from "../src/view/hidden-grid.ts";
import type { FitRows } from "../src/view/hidden-scale.ts";
import type { GroupFit } from "../src/view/hidden-step.ts";
import * as referenceGrid from "../src/view/integer-view.ts";
import { type IntegerView, sequentialGroups } from "../src/view/integer-view.ts";
import * as referenceWeight from "../src/view/view-weight.ts";
import { gaussian, onGrid, roundedTo } from "./hidden-grid.ts";

afterAll(installKernels);

const wordCount = 40_000;
const fieldCount = 120_000;

/** Streams along rows and down columns, of lengths that do and do not fill runs and words. */
const arrangements: readonly (readonly [name: string, at: (bits: number) => FieldStreams])[] = [
  [
    "one row",
    () => ({
      streams: 1,
      fields: 1000,
      wordStart: 3,
      wordStep: 1,
      streamStep: 0,
      fieldStart: 5,
      fieldStep: 0,
    }),
  ],
  [
    "rows",
    (bits) => ({
      streams: 7,
      fields: 320,
      wordStart: 1,
      wordStep: 1,
      streamStep: 10 * bits + 1,
      fieldStart: 2,
      fieldStep: 333,
    }),
  ],
  [
    "long rows",
    (bits) => ({
      streams: 2,
      fields: 40_000,
      wordStart: 0,
      wordStep: 1,
      streamStep: 1250 * bits,
      fieldStart: 0,
      fieldStep: 50_000,
    }),
  ],
  [
    "short rows",
    (bits) => ({
      streams: 9,
      fields: 31,
      wordStart: 0,
      wordStep: 1,
      streamStep: bits,
      fieldStart: 0,
      fieldStep: 31,
    }),
  ],
  [
    "columns",
    () => ({
      streams: 70,
      fields: 256,
      wordStart: 4,
      wordStep: 77,
      streamStep: 1,
      fieldStart: 9,
      fieldStep: 256,
    }),
  ],
  [
    "three columns",
    () => ({
      streams: 3,
      fields: 96,
      wordStart: 0,
      wordStep: 5,
      streamStep: 1,
      fieldStart: 0,
      fieldStep: 96,
    }),
  ],
  [
    "odd columns",
    () => ({
      streams: 21,
      fields: 107,
      wordStart: 2,
      wordStep: 23,
      streamStep: 1,
      fieldStart: 1,
      fieldStep: 120,
    }),
  ],
  [
    "many columns",
    () => ({
      streams: 300,
      fields: 96,
      wordStart: 0,
      wordStep: 300,
      streamStep: 1,
      fieldStart: 0,
      fieldStep: 96,
    }),
  ],
  [
    "every other word",
    () => ({
      streams: 5,
      fields: 64,
      wordStart: 0,
      wordStep: 2,
      streamStep: 100,
      fieldStart: 0,
      fieldStep: 64,
    }),
  ],
];

describe.skipIf(!kernelsAreInstalled())(`kernels of fields (REQUANT_SEED=${seed})`, () => {
  describe.each([1, 2, 3, 4, 5, 6, 7, 8])("%i bits", (bits) => {
    const table = reference.streamFields(bits);
    const random = randomNumbers(seed + bits);
    const words = Uint32Array.from({ length: wordCount }, () => random() * 2 ** 32);
    const fields = Uint8Array.from({ length: fieldCount }, () => random() * 2 ** bits);

    it.each(arrangements)("%s", (_, make) => {
      const at = make(bits);
      const expectedFields = new Uint8Array(fieldCount).fill(0xee);
      const expectedWords = new Uint32Array(wordCount).fill(0xeeeeeeee);
      reference.unpackFields(table, words, at, expectedFields);
      reference.packFields(table, fields, at, expectedWords);
      for (const wordsInside of [true, false]) {
        for (const fieldsInside of [true, false]) {
          const w = guarded(wordsInside, 4 * wordCount);
          const f = guarded(fieldsInside, fieldCount);
          const view = new Uint32Array(w.bytes.buffer, w.bytes.byteOffset, wordCount);
          const what = `words ${wordsInside ? "inside" : "outside"}, fields ${fieldsInside ? "inside" : "outside"}`;
          view.set(words);
          f.bytes.fill(0xee);
          unpackFields(table, view, at, f.bytes);
          expectSame(f.bytes, expectedFields, `unpack, ${what}`);
          f.bytes.set(fields);
          view.fill(0xeeeeeeee);
          packFields(table, f.bytes, at, view);
          expectSame(w.bytes, new Uint8Array(expectedWords.buffer), `pack, ${what}`);
          w.check();
          f.check();
          w.release();
          f.release();
        }
      }
      if (bits === 8) return;
      const spoilt = fields.slice();
      spoilt[at.fieldStart + (at.streams - 1) * at.fieldStep + at.fields - 1] = 2 ** bits;
      expect(() => packFields(table, spoilt, at, expectedWords)).toThrow(`Code ${2 ** bits} does not fit`);
    });
  });
});

function viewOf(
  rows: number,
  groupOfColumn: Int32Array,
  groupCount: number,
  rounding: IntegerView["rounding"],
  random: () => number,
): IntegerView {
  const columns = groupOfColumn.length;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    codes: Uint8Array.from({ length: rows * columns }, () => random() * 256),
    scales: Float32Array.from(
      { length: rows * groupCount },
      () => (random() - 0.5) * 2 ** (30 * random() - 25),
    ),
    zeros: Int16Array.from({ length: rows * groupCount }, () => (random() - 0.5) * 2 ** (17 * random())),
    rounding,
  };
}

describe.skipIf(!kernelsAreInstalled())(`kernels of views (REQUANT_SEED=${seed})`, () => {
  const random = randomNumbers(seed);
  const scattered = (columns: number, groups: number): Int32Array =>
    Int32Array.from({ length: columns }, () => random() * groups);
  const shapes: readonly (readonly [string, number, Int32Array, number])[] = [
    ["one column", 3, sequentialGroups(1, -1), 1],
    ["groups of 128", 33, sequentialGroups(512, 128), 4],
    ["a short last group", 9, sequentialGroups(300, 128), 3],
    ["groups of 20", 9, sequentialGroups(300, 20), 15],
    ["scattered groups", 5, scattered(517, 6), 6],
    ["more runs than fit at once", 2, scattered(20_000, 40), 40],
    ["no rows", 0, sequentialGroups(64, 32), 2],
  ];
  it.each(shapes)("f32 of %s", (_, rows, groupOfColumn, groupCount) => {
    for (const rounding of ["none", "f16"] as const) {
      const view = viewOf(rows, groupOfColumn, groupCount, rounding, random);
      const { columns, codes } = view;
      for (const [start, end] of [
        [0, rows],
        [Math.floor(rows / 2), rows],
      ] as const) {
        const expected = new Float32Array((end - start) * columns);
        referenceGrid.dequantizeView(view, expected, start, end);
        for (const inside of [true, false]) {
          const out = guarded(inside, expected.byteLength);
          const given = guarded(inside, codes.length);
          given.bytes.set(codes);
          dequantizeView({ ...view, codes: given.bytes }, floatsOf(out.bytes), start, end);
          expectSame(
            out.bytes,
            new Uint8Array(expected.buffer),
            `${inside ? "inside" : "outside"}, ${rounding}`,
          );
          out.check();
          out.release();
          given.release();
        }
      }
    }
  });

  it("facts of scales and zero points", () => {
    const half = (): number => halfToFloat(floatToHalf((random() - 0.3) * 2 ** (20 * random() - 18)));
    const scales: readonly (() => number)[] = [
      half,
      () => Math.abs(half()),
      () => random(),
      () => 0.5,
      () => (random() < 0.5 ? 0 : -0),
      () => 2 ** -24,
      () => 65504,
      () => 1.5 * 2 ** 20,
    ];
    const zeros: readonly (() => number)[] = [
      () => 8,
      () => 16 * random(),
      () => 3000 * (random() - 0.5),
      () => 0,
      () => 2 ** 15 * (random() - 0.5) * 2,
    ];
    for (const scale of scales) {
      for (const zero of zeros) {
        for (const count of [1, 8, 24, 16_384 + 8, 1003]) {
          const view: IntegerView = {
            rows: count,
            columns: 32,
            groupCount: 1,
            groupOfColumn: sequentialGroups(32, -1),
            codes: new Uint8Array(0),
            scales: Float32Array.from({ length: count }, scale),
            zeros: Int16Array.from({ length: count }, zero),
            rounding: "none",
          };
          expect(viewFacts(view, 15)).toEqual(referenceFacts.viewFacts(view, 15));
        }
      }
    }
  });

  it("a scale that is not a number is named", () => {
    const view = viewOf(16, sequentialGroups(64, 32), 2, "none", random);
    view.scales[13] = Number.NaN;
    expect(() => viewFacts(view, 15)).toThrow("The scale of row 6, group 1 is NaN");
  });

  it("a view with one code out of range does not count as fitted", () => {
    const view = {
      ...viewOf(16, sequentialGroups(64, 32), 2, "none", random),
      zeros: new Int16Array(32).fill(8),
    };
    const requirement = {
      name: "four bits",
      blockSize: 32,
      shortLastBlock: false,
      codes: { kind: "affine", maxCode: 15, minZero: 0, maxZero: 15 },
      scale: "F32",
      roundsToHalf: false,
    } as const;
    const small = { ...view, codes: view.codes.map((code) => code & 15) };
    expect(fitView(small, requirement).view).toBe(small);
    small.codes[777] = 200;
    const { misfit } = fitView(small, requirement);
    expect(misfit?.reason).toMatch(/in one group, which/);
    expect(misfit).toEqual(referenceFit.fitView(small, requirement).misfit);
  });

  it.each([
    ["groups of 128", 37, 1536, 128],
    ["a short last group", 9, 300, 128],
    ["more columns than a tile has", 5, 5000, 64],
  ])("f32 of an opened weight, %s", (_, rows, columns, groupSize) => {
    const view = viewOf(
      rows,
      sequentialGroups(columns, groupSize),
      Math.ceil(columns / groupSize),
      "f16",
      random,
    );
    const unpackCodes: referenceWeight.UnpackCodes = (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      for (let row = rowStart, at = 0; row < rowEnd; row++, at += columnEnd - columnStart) {
        codes.set(view.codes.subarray(row * columns + columnStart, row * columns + columnEnd), at);
      }
    };
    const expected = new Float32Array((rows - 1) * columns);
    referenceWeight.viewWeight(view, 4, unpackCodes).dequantize(1, rows, expected);
    for (const inside of [true, false]) {
      const out = guarded(inside, expected.byteLength);
      viewWeight(view, 4, unpackCodes).dequantize(1, rows, floatsOf(out.bytes));
      expectSame(out.bytes, new Uint8Array(expected.buffer), inside ? "inside" : "outside");
      out.check();
      out.release();
    }
  });

  it("the twins give the reference's results when kernels are switched off", () => {
    const view = viewOf(3, sequentialGroups(64, 32), 2, "none", random);
    const expected = new Float32Array(3 * 64);
    const found = new Float32Array(3 * 64);
    referenceGrid.dequantizeView(view, expected);
    withSwitch(false, () => dequantizeView(view, found));
    expect(found).toEqual(expected);
  });
});

interface AllFits {
  readonly all: boolean;
  readonly fits: GroupFit[];
}

describe("the fits of groups of floats", () => {
  const types: readonly HidingType[] = ["F32", "BF16", "F16"];
  const columns = 256;
  const random = randomNumbers(seed);

  function fitsOf(
    fit: FitRows,
    values: Float32Array,
    blocks: Pick<HiddenGrid, "blockRows" | "blockColumns">,
  ): AllFits {
    const fits: GroupFit[] = [];
    const all = fit(values, columns, blocks, (some, count) => {
      for (let i = 0; i < count; i++) fits.push(readFit(some, i));
    });
    return { all, fits };
  }

  it.each(types)("of %s as integers are those of the reference, on grids and off them", (type) => {
    for (let round = 0; round < 400; round++) {
      const bits = 2 + (round % 7);
      const scale = types[round % 3] ?? "F32";
      const groupSize = [32, 64, 128, -1][round % 4] ?? -1;
      const values = onGrid(2, columns, { bits, groupSize, symmetric: round % 5 < 3, scale, type });
      for (let i = 0; i < values.length; i++) {
        if (round % 6 === 0 && i % 3 > 0) values[i] = i % 2 === 0 ? 0 : -0;
        // from a row on: nothing but noise
        if (round % 10 === 0 && i >= columns) values[i] = gaussian() * 1e-3;
        if (round % 50 === 7) values[i] = (values[i] ?? 0) * 2 ** -120;
        if (round % 50 === 8 && i === 300) values[i] = Number.NaN;
      }
      const blocks = { blockRows: 1, blockColumns: groupSize };
      const expected = fitsOf(referenceFits.integers(type), values, blocks);
      const found = fitsOf(kernelFits.integers(type), values, blocks);
      expect(found, `${type} ${round} ${seed}`).toEqual(expected);
    }
  });

  it("levels that 8 bits do not hold fit neither in the kernel nor in the reference", () => {
    // 257 levels, rounded to bf16
    const values = Float32Array.from({ length: columns }, (_, i) => roundedTo("BF16", (i - 128) * 0.00123));
    values[0] = roundedTo("BF16", 128 * 0.00123);
    const blocks = { blockRows: 1, blockColumns: 128 };
    values[1] = roundedTo("BF16", -128 * 0.00123);
    const expected = fitsOf(referenceFits.integers("BF16"), values, blocks);
    expect(expected.all).toBe(false);
    expect(fitsOf(kernelFits.integers("BF16"), values, blocks)).toEqual(expected);
  });

  /** Random levels times the scale of their block, rounded to a type; then some are spoilt. */
  function levelsOf(
    table: Float32Array,
    { blockRows, blockColumns }: Pick<HiddenGrid, "blockRows" | "blockColumns">,
    scaleOf: () => number,
    [type, round]: readonly [type: HidingType, round: number],
  ): Float32Array {
    const values = new Float32Array(2 * columns * blockRows);
    const width = blockColumns === -1 ? columns : blockColumns;
    const scales = new Map<number, number>();
    for (let i = 0; i < values.length; i++) {
      const block = Math.floor(i / columns / blockRows) * columns + Math.floor((i % columns) / width);
      const scale = scales.get(block) ?? scaleOf();
      scales.set(block, scale);
      let level = table[Math.floor(random() * table.length)] ?? 0;
      if (Number.isNaN(level)) level = 0;
      // groups of few different magnitudes, and without the largest level
      if (round % 4 === 1 && Math.abs(level) > 3) level = 0.5;
      if (round % 8 === 2) level = i % 2 === 0 ? 0 : -0;
      values[i] = roundedTo(type, Math.fround(level * scale));
      if (round % 10 === 5) values[i] = roundedTo(type, (values[i] ?? 0) * 2 ** -118);
    }
    const middle = values.length >> 1;
    if (round % 10 === 3) values[middle + 7] = Number.NaN;
    if (round % 10 === 4) values[middle + 9] = Number.POSITIVE_INFINITY;
    if (round % 10 === 6) values[middle + 3] = roundedTo(type, gaussian());
    return values;
  }

  const e4m3 = (): number => E4M3_VALUES[1 + Math.floor(random() * 126)] ?? 1;
  const factor = Math.fround(0.000123456);
  const two = (): number => 2 ** -Math.ceil(20 * random());

  it.each(
    types.flatMap((type) =>
      (
        [
          ["MXFP4", 32, two, (fits) => fits.mxfp4(type)],
          ["NVFP4", 16, () => Math.fround(factor * e4m3()), (fits) => fits.nvfp4(type, factor, "E4M3")],
          ["NVFP4 without a factor", 16, e4m3, (fits) => fits.nvfp4(type, 1, "four bits")],
          ["NVFP4 with another factor", 16, e4m3, (fits) => fits.nvfp4(type, factor, "four bits")],
        ] as readonly (readonly [string, number, () => number, (fits: GridFits) => FitRows])[]
      ).map(([name, blockColumns, scaleOf, fitOf]) => ({ type, name, blockColumns, scaleOf, fitOf })),
    ),
  )("of $type as $name are those of the reference", ({ type, blockColumns, scaleOf, fitOf }) => {
    for (let round = 0; round < 200; round++) {
      const blocks = { blockRows: 1, blockColumns };
      const values = levelsOf(E2M1_VALUES, blocks, scaleOf, [type, round]);
      const expected = fitsOf(fitOf(referenceFits), values, blocks);
      const found = fitsOf(fitOf(kernelFits), values, blocks);
      expect(found, `${round} ${seed}`).toEqual(expected);
    }
  });

  it.each(types)("of %s as FP8 are those of the reference, in blocks and rows, in any memory", (type) => {
    for (let round = 0; round < 60; round++) {
      const blocks =
        round % 2 === 0 ? { blockRows: 128, blockColumns: 128 } : { blockRows: 1, blockColumns: -1 };
      const scaleOf = round % 3 === 0 ? two : () => Math.fround(random() * 0.001);
      const values = levelsOf(E4M3_VALUES, blocks, scaleOf, [type, round]);
      const expected = fitsOf(referenceFits.float8(type), values, blocks);
      for (const isInside of [true, false]) {
        const memory = guarded(isInside, values.byteLength);
        floatsOf(memory.bytes).set(values);
        const found = fitsOf(kernelFits.float8(type), floatsOf(memory.bytes), blocks);
        expect(found, `${round} ${isInside} ${seed}`).toEqual(expected);
        memory.check();
        memory.release();
      }
    }
  });
});
