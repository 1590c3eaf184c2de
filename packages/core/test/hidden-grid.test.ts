/** The grids of floats that are made on known grids, and the floats that are on none. */
import { describe, expect, it } from "vitest";
import { GridSearch } from "../src/view/find-hidden-grid.ts";
import { describeGrid, type HiddenGrid, type HidingType } from "../src/view/hidden-grid.ts";
import { dequantizeLevels, gridView, isLevelView, levelViewOf } from "../src/view/index.ts";
import { gaussian, onGrid, random, roundedTo, searched } from "./hidden-grid.ts";

const TYPES: readonly HidingType[] = ["F32", "BF16", "F16"];
const rows = 48;
const columns = 256;

function gridOf(values: Float32Array, type: HidingType, width = columns) {
  return searched(new GridSearch(values.length / width, width, type), values, width).found;
}

/** How many floats the grid's own view does not give, rounded to their type. */
function missed(values: Float32Array, type: HidingType, grid: HiddenGrid, width = columns): number {
  const view = gridView(values, width, type, grid);
  const back = new Float32Array(values.length);
  dequantizeLevels(isLevelView(view) ? view : levelViewOf({ ...view, rounding: "none" }), back);
  let count = 0;
  back.forEach((value, i) => {
    if (roundedTo(type, value) !== values[i]) count++;
  });
  return count;
}

describe("integers", () => {
  const grids = [2, 3, 4, 5, 6, 7].flatMap((bits) =>
    [32, 64, 128, -1].flatMap((groupSize) =>
      [true, false].map((symmetric) => ({ bits, groupSize, symmetric })),
    ),
  );

  it.each(TYPES)("of 2 to 7 bits in %s are found with their width, groups and scales", (type) => {
    for (const grid of grids) {
      const values = onGrid(rows, columns, { ...grid, scale: "F16", type });
      const found = gridOf(values, type);
      const what = JSON.stringify({ ...grid, type });
      expect(found?.grid, what).toMatchObject({
        levels: "integer",
        bits: grid.bits,
        symmetric: grid.symmetric,
        blockColumns: grid.groupSize,
        scale: "F16",
      });
      expect(found === undefined ? -1 : missed(values, type, found.grid), what).toBe(0);
    }
  });

  it.each(TYPES)("of 8 bits around the middle are found in %s, with scales of every type", (type) => {
    for (const groupSize of [32, 128, -1]) {
      for (const scale of TYPES) {
        const values = onGrid(rows, columns, { bits: 8, groupSize, symmetric: true, scale, type });
        const found = gridOf(values, type);
        const what = JSON.stringify({ groupSize, scale, type });
        expect(found?.grid, what).toMatchObject({ levels: "integer", bits: 8, blockColumns: groupSize });
        expect(found === undefined ? -1 : missed(values, type, found.grid), what).toBe(0);
      }
    }
  });

  it.each([
    [
      "the middle of the bounds is no scale",
      0.001043383264914155,
      [
        70, 124, 86, -10, 123, -101, -50, 71, 104, -106, -20, -24, -96, -67, 15, -63, -51, 8, -53, 74, -104,
        -128, 36, 79, 44, 83, 114, 90, -78, -73, -75, -110,
      ],
    ],
    [
      "levels of more than 8 bits fit, too",
      0.001027377089485526,
      [
        37, -3, 79, 91, -30, 116, 90, -44, 74, 81, 48, 25, 124, -12, 127, -27, 126, -47, 115, -124, 79, 65,
        -64, -9, -125, 28, 84, -90, 7, -37, 14, -26,
      ],
    ],
  ])("of 8 bits in BF16 are found where %s", (_, scale, codes) => {
    // a search over 200 000 random groups of 32 codes met each of these once
    const row = codes.map((code) => roundedTo("BF16", Math.fround(scale * code)));
    // one row alone is too little for a grid
    const values = Float32Array.from([row, row, row, row].flat());
    const found = gridOf(values, "BF16", row.length);
    expect(found?.grid).toMatchObject({ levels: "integer", bits: 8, blockColumns: -1 });
    expect(found === undefined ? -1 : missed(values, "BF16", found.grid, row.length)).toBe(0);
  });

  it("have facts that name their codes, zero points and scales", () => {
    const values = onGrid(rows, columns, {
      bits: 4,
      groupSize: 64,
      symmetric: false,
      scale: "F16",
      type: "F32",
    });
    expect(gridOf(values, "F32")?.facts).toMatchObject({
      rows,
      columns,
      groupSize: 64,
      groupCount: 4,
      scaleBlockSize: 64,
      maxCode: 15,
      symmetric: false,
      hasNegativeScales: false,
      scalesAreHalf: true,
      rounding: "none",
    });
  });

  it("that fit only with a negative scale in some groups say so", () => {
    // the largest magnitude of a block is code −8, as in ggml's Q4_0
    const values = onGrid(rows, columns, {
      bits: 4,
      groupSize: 32,
      symmetric: true,
      scale: "F16",
      type: "F32",
    });
    for (let i = 0; i < values.length; i += 64) {
      for (let j = i; j < i + 32; j++) values[j] = -(values[j] ?? 0);
    }
    const found = gridOf(values, "F32");
    expect(found?.grid).toMatchObject({ bits: 4, symmetric: true, blockColumns: 32 });
    expect(found?.facts).toMatchObject({ hasNegativeScales: true, minOffset: -8, maxOffset: 7 });
    expect(found === undefined ? -1 : missed(values, "F32", found.grid)).toBe(0);
  });
});

describe("no grid", () => {
  it.each(TYPES)("is found in random floats of %s, at the first rows", (type) => {
    const values = Float32Array.from({ length: rows * columns }, () => roundedTo(type, gaussian() * 0.02));
    const search = new GridSearch(rows, columns, type);
    expect(searched(search, values, columns)).toEqual({ found: undefined, passes: 0 });
    // one group for each grid that is looked for
    expect(search.groupsSeen).toBeLessThan(10);
  });

  it("is found in an embedding with repeated rows", () => {
    const row = Float32Array.from({ length: columns }, () => roundedTo("BF16", gaussian()));
    const values = new Float32Array(rows * columns);
    for (let i = 0; i < rows; i++) values.set(row, i * columns);
    expect(gridOf(values, "BF16")).toBeUndefined();
  });

  it("is found in zeros, and in floats of which each group has one", () => {
    const values = new Float32Array(rows * columns);
    expect(gridOf(values, "BF16")).toBeUndefined();
    for (let i = 0; i < values.length; i += 32) values[i] = roundedTo("BF16", gaussian());
    expect(gridOf(values, "BF16")).toBeUndefined();
  });

  it("is found where one float of the last row is off it", () => {
    const values = onGrid(rows, columns, {
      bits: 4,
      groupSize: 32,
      symmetric: true,
      scale: "F16",
      type: "F32",
    });
    values[values.length - 5] = 0.0123456;
    expect(gridOf(values, "F32")).toBeUndefined();
  });

  it("is found in NaN and infinite floats", () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const values = onGrid(rows, columns, {
        bits: 4,
        groupSize: 32,
        symmetric: true,
        scale: "F16",
        type: "F32",
      });
      values[rows * columns - 1] = odd;
      expect(gridOf(values, "F32")).toBeUndefined();
    }
  });
});

describe("a grid that is true, though nobody meant it", () => {
  it("is found in small integers: one step for all", () => {
    const values = Float32Array.from({ length: rows * columns }, () => Math.floor(random() * 16));
    const found = gridOf(values, "F32");
    expect(found?.grid).toMatchObject({ levels: "integer", bits: 4, symmetric: false, blockColumns: -1 });
    expect(found === undefined ? -1 : missed(values, "F32", found.grid)).toBe(0);
  });

  it("is found in a constant tensor", () => {
    const values = new Float32Array(rows * columns).fill(roundedTo("BF16", 0.3));
    const found = gridOf(values, "BF16");
    expect(found?.grid).toMatchObject({ levels: "integer", bits: 2, blockColumns: -1, rounding: "none" });
    expect(found === undefined ? -1 : missed(values, "BF16", found.grid)).toBe(0);
  });
});

describe("the search", () => {
  it("needs another pass where the first rows fit larger groups than the others", () => {
    const values = onGrid(rows, columns, {
      bits: 4,
      groupSize: 32,
      symmetric: true,
      scale: "F16",
      type: "F32",
    });
    values.set(onGrid(8, columns, { bits: 4, groupSize: -1, symmetric: true, scale: "F16", type: "F32" }));
    const { found, passes } = searched(new GridSearch(rows, columns, "F32"), values, columns);
    expect(found?.grid).toMatchObject({ bits: 4, blockColumns: 32 });
    expect(passes).toBe(4);
  });

  it("looks at twice as many groups in twice as many rows", () => {
    const counts = [128, 256, 512].map((count) => {
      const values = onGrid(count, 64, {
        bits: 4,
        groupSize: 32,
        symmetric: true,
        scale: "F16",
        type: "F32",
      });
      const search = new GridSearch(count, 64, "F32");
      searched(search, values, 64);
      return search.groupsSeen;
    });
    const [first = 0, second = 0, third = 0] = counts;
    expect(third - second).toBe(2 * (second - first));
  });
});

it("whatever grid is found gives every float back", () => {
  let found = 0;
  for (let round = 0; round < 150; round++) {
    const type = TYPES[round % 3] ?? "F32";
    const bits = 2 + Math.floor(random() * 7);
    const groupSize = [32, 64, 128, -1][Math.floor(random() * 4)] ?? -1;
    const scale = TYPES[Math.floor(random() * 3)] ?? "F32";
    const values = onGrid(12, columns, { bits, groupSize, symmetric: random() < 0.5, scale, type });
    // some weights are pruned, and some models have a float that is off its grid
    const pruned = random() < 0.3 ? random() : 0;
    for (let i = 0; i < values.length; i++) if (random() < pruned) values[i] = random() < 0.5 ? 0 : -0;
    if (random() < 0.3) values[Math.floor(random() * values.length)] = roundedTo(type, gaussian() * 0.01);
    const grid = gridOf(values, type)?.grid;
    if (grid === undefined) continue;
    found++;
    expect(missed(values, type, grid), JSON.stringify({ round, type, bits, groupSize, grid })).toBe(0);
  }
  expect(found).toBeGreaterThan(60);
});

it("a grid is described in one line", () => {
  const grid = { blockRows: 1, blockColumns: 32, symmetric: true, rounding: "none" } as const;
  expect([
    describeGrid({ ...grid, levels: "integer", bits: 4, scale: "F16" }),
    describeGrid({ ...grid, levels: "E2M1", bits: 4, scale: "E8M0" }),
    describeGrid({ ...grid, levels: "E2M1", bits: 4, scale: "E4M3", blockColumns: 16, rounding: "BF16" }),
    describeGrid({ ...grid, levels: "E4M3", bits: 8, scale: "F32", blockRows: 128, blockColumns: 128 }),
    describeGrid({ ...grid, levels: "integer", bits: 3, symmetric: false, scale: "BF16", blockColumns: -1 }),
  ]).toEqual([
    "4-bit symmetric integers, groups of 32 columns, f16 scales",
    "MXFP4, groups of 32 columns, E8M0 scales",
    "NVFP4, groups of 16 columns, E4M3 scales, each value rounded to bf16",
    "FP8 E4M3, blocks of 128 × 128, f32 scales",
    "3-bit asymmetric integers, one group per row, bf16 scales",
  ]);
});
