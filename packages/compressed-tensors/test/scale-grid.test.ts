import { describe, expect, it } from "vitest";
import { expandGrid, gridShape, readScaleGrid } from "../src/scale-grid.ts";

const size = { rows: 200, columns: 160 };

describe("the weights that share a scale", () => {
  it.each([
    [[], {}, { scaleShape: "scalar", blockRows: 200, blockColumns: 160 }],
    [[1], {}, { scaleShape: "one", blockRows: 200, blockColumns: 160 }],
    [[200], {}, { scaleShape: "rows", blockRows: 1, blockColumns: 160 }],
    [[200, 1], {}, { scaleShape: "groups", blockRows: 1, blockColumns: 160 }],
    [[200, 5], {}, { scaleShape: "groups", blockRows: 1, blockColumns: 32 }],
    [[200, 2], { groupSize: 128 }, { scaleShape: "groups", blockRows: 1, blockColumns: 128 }],
    [[2, 2], { block: [128, 128] as const }, { scaleShape: "blocks", blockRows: 128, blockColumns: 128 }],
    [[2, 2], {}, { scaleShape: "blocks", blockRows: 128, blockColumns: 128 }],
    [[4, 1], { block: [64, 256] as const }, { scaleShape: "blocks", blockRows: 64, blockColumns: 256 }],
    // the configuration says something that the tensors contradict
    [[2, 2], { block: [32, 32] as const }, { scaleShape: "blocks", blockRows: 128, blockColumns: 128 }],
  ])("scales of %j with claims %j", (shape, claims, expected) => {
    const grid = readScaleGrid({ shape, suffix: "weight_scale" }, size, claims, {});
    expect(grid).toEqual(expected);
    expect(gridShape(size, grid)).toEqual(shape);
  });

  it.each([[[3]], [[200, 7]], [[201, 1]], [[2, 2, 2]], [[0, 0]], [[200, 0]]])(
    "scales of %j divide no weight of [200, 160]",
    (shape) => {
      expect(() => readScaleGrid({ shape, suffix: "weight_scale" }, size, {}, {})).toThrow(
        expect.objectContaining({
          code: "FORMAT",
          message: expect.stringMatching(/weight_scale is .*for a weight of \[200, 160\]/),
        }),
      );
    },
  );
});

it("one number per block becomes one per row and group", () => {
  const grid = { scaleShape: "blocks", blockRows: 2, blockColumns: 3 } as const;
  const out = expandGrid(Float32Array.of(1, 2, 3, 4), { rows: 3, columns: 5 }, grid, new Float32Array(6));
  expect([...out]).toEqual([1, 2, 1, 2, 3, 4]);
});
