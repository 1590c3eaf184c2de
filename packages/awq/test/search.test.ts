/** What the searches promise where no tool was run. Oracle: the promise itself; `calibration.test.ts` compares with AutoAWQ. */
import type { InputStatistics } from "@requant/core/solve";
import { describe, expect, it } from "vitest";
import { awqFormat, clippedWeights, searchClips, searchScales } from "../src/index.ts";

const ROWS = 8;
const COLUMNS = 16;

/** Inputs that do not depend on each other, of these sizes. */
function independent(sizes: readonly number[], tokens = 100): InputStatistics {
  const moments = new Float32Array(COLUMNS * COLUMNS);
  sizes.forEach((size, i) => {
    moments[i * (COLUMNS + 1)] = size ** 2;
  });
  return { columns: COLUMNS, tokens, moments, meanAbs: Float32Array.from(sizes) };
}

const values = Float32Array.from({ length: ROWS * COLUMNS }, (_, i) => Math.sin(1 + i * 2.3));
/** One column in which the model is much larger than in all others, and one that no token uses. */
const sizes = Array.from({ length: COLUMNS }, (_, i) => (i === 3 ? 40 : i === 5 ? 0 : 1));
const layer = { values, rows: ROWS, statistics: independent(sizes) };

describe("scales", () => {
  it("are larger where activations are large, and 1 where no token came", () => {
    const { scales, ratio, losses } = searchScales([layer], { groupSize: COLUMNS });
    expect(ratio).toBeGreaterThan(0);
    expect(losses).toHaveLength(20);
    scales.forEach((scale, i) => {
      if (i !== 3) expect(scale).toBeLessThan(scales[3]!);
    });
    expect(scales[5]).toBe(1);
  });

  it("are equal where columns share one", () => {
    const sharedColumn = Int32Array.from({ length: COLUMNS }, (_, i) => i % 4);
    const { scales } = searchScales([layer], { groupSize: COLUMNS, sharedColumn });
    scales.forEach((scale, i) => {
      if (i !== 5 && i !== 1 && i !== 9 && i !== 13) expect(scale).toBe(scales[i % 4]);
    });
    expect(scales[13]).toBe(scales[5]);
  });

  it("take the tokens of experts by their number", () => {
    const rare = {
      values,
      rows: ROWS,
      statistics: independent(
        sizes.map((size, i) => (i === 9 ? 500 : size)),
        1,
      ),
    };
    const never = { values, rows: ROWS, statistics: { ...independent(sizes.map(() => 0)), tokens: 0 } };
    const both = searchScales([layer, rare, never], { groupSize: COLUMNS });
    expect(both.scales[3]).toBeGreaterThan(both.scales[9]!);
  });

  it.each([
    ["no layers", () => searchScales([], { groupSize: 8 }), /no layer to search/],
    [
      "groups that do not divide the columns",
      () => searchScales([layer], { groupSize: 6 }),
      /do not fit groups of 6/,
    ],
    [
      "values of another size",
      () => searchScales([{ ...layer, rows: 7 }], { groupSize: 8 }),
      /128 values are not 7 rows/,
    ],
    [
      "weights that are not finite",
      () => searchScales([{ ...layer, values: values.map(() => Number.NaN) }], { groupSize: 8 }),
      /No scale makes the outputs finite/,
    ],
  ])("refuse %s", (_, search, message) => {
    expect(search).toThrow(message);
  });

  it("of the target are searched in its groups, and are 1 where no group fits", () => {
    const settings = { version: "gemm", groupSize: 8 };
    const target = awqFormat.target;
    expect(target?.inputScales?.({ layers: [layer], settings })).toEqual(
      searchScales([layer], { groupSize: 8 }).scales,
    );
    expect(target?.inputScales?.({ layers: [layer], settings: { version: "gemm", groupSize: 6 } })).toEqual(
      new Float32Array(COLUMNS).fill(1),
    );
  });
});

describe("clips", () => {
  it("cut an outlier whose column does not count", () => {
    const outlier = values.map((value, i) => (i === 5 ? 8 : value));
    const clips = searchClips({ ...layer, values: outlier }, { groupSize: COLUMNS });
    expect(clips[0]).toBeLessThan(8);
    const clipped = clippedWeights(outlier, clips);
    expect(clipped[5]).toBe(clips[0]);
    expect(clipped[0]).toBe(outlier[0]);
  });

  it("refuse values of another size", () => {
    expect(() => searchClips({ ...layer, rows: 3 }, { groupSize: 8 })).toThrow(/are not 3 rows/);
  });
});
