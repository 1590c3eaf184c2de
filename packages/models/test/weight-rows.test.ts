/** Oracle: each step of a plan worked out by hand on numbered elements. */
import { describe, expect, test } from "vitest";
import {
  isRowSelection,
  openWeight,
  plannedSources,
  rowOrigins,
  type WeightInput,
  type WeightPlan,
  type WeightSource,
  weightPlanSchema,
} from "../src/index.ts";

/** Tensors whose elements are their own index, plus 100 for "b". */
function numbered(
  shapes: Readonly<Record<string, readonly number[]>>,
): WeightSource & { readonly reads: string[] } {
  const reads: string[] = [];
  return {
    reads,
    shapeOf: (name) => shapes[name] ?? [],
    async readRows(name, start, end, out) {
      reads.push(`${name} ${start}-${end}`);
      const length = shapes[name]?.at(-1) ?? 1;
      for (let index = 0; index < (end - start) * length; index++) {
        out[index] = start * length + index + (name === "b" ? 100 : 0);
      }
    },
  };
}

async function values(
  shape: readonly number[],
  inputs: readonly WeightInput[],
  source: WeightSource,
): Promise<number[]> {
  const total = shape.reduce((product, size) => product * size, 1);
  const out = new Float32Array(total);
  const reader = openWeight({ name: "t", shape, inputs }, source);
  const rows = total / (shape.at(-1) ?? 1);
  for (let row = 0; row < rows; row++) {
    const length = total / rows;
    await reader.readRows(row, row + 1, out.subarray(row * length, (row + 1) * length));
  }
  return [...out];
}

describe("steps", () => {
  const source = numbered({ a: [4, 2], b: [2, 2], v: [6], e: [2, 3, 2] });
  test.each<[string, number[], WeightInput[], number[]]>([
    ["a sum", [2, 2], [{ tensor: "a", rows: [0, 2], map: { add: 0.5 } }], [0.5, 1.5, 2.5, 3.5]],
    ["products", [2, 2], [{ tensor: "a", rows: [0, 2], map: { multiply: [3, 0.5] } }], [0, 1.5, 3, 4.5]],
    // 1/3 and 2/3 rounded to f32
    ["quotients", [2], [{ tensor: "a", rows: [1, 2], map: { divide: [2, 3] } }], [0.3333333432674408, 0.5]],
    // the factor is rounded first: f32 has 0.10000000149011612 for 0.1, and 5 of them are 0.5
    ["a factor", [2], [{ tensor: "a", rows: [2, 3], map: { multiply: [0.1] } }], [0.4000000059604645, 0.5]],
    ["rows", [2, 2], [{ tensor: "a", rows: [1, 3] }], [2, 3, 4, 5]],
    [
      "concatenation",
      [6, 2],
      [{ tensor: "a" }, { tensor: "b" }],
      [0, 1, 2, 3, 4, 5, 6, 7, 100, 101, 102, 103],
    ],
    ["transpose of selected rows", [2, 2], [{ tensor: "a", rows: [2, 4], transpose: true }], [4, 6, 5, 7]],
    [
      "rope order",
      [4, 2],
      [{ tensor: "a", rowOrder: { kind: "rope-to-pairs", headCount: 1 } }],
      [0, 1, 4, 5, 2, 3, 6, 7],
    ],
    [
      "a bias by elements",
      [4],
      [{ tensor: "v", rowLength: 1, rowOrder: { kind: "view", view: [6], ranges: [[1, 5]] } }],
      [1, 2, 3, 4],
    ],
    [
      "columns",
      [2, 2],
      [{ tensor: "b", columnOrder: { kind: "view", view: [1, 2], axes: [1, 0] } }],
      [100, 101, 102, 103],
    ],
    ["add-one", [2, 2], [{ tensor: "b", map: "add-one" }], [101, 102, 103, 104]],
    ["subtract-one", [2, 2], [{ tensor: "b", map: "subtract-one" }], [99, 100, 101, 102]],
    ["three dimensions as rows", [3, 2], [{ tensor: "e", rows: [3, 6] }], [6, 7, 8, 9, 10, 11]],
    ["given numbers", [3], [{ values: [1, 2, 3] }], [1, 2, 3]],
    ["zeros after rows", [3, 2], [{ tensor: "a", rows: [1, 2] }, { zeros: 4 }], [2, 3, 0, 0, 0, 0]],
    [
      "joined, interleaved, transposed",
      [2, 4],
      [
        {
          join: [
            {
              join: [{ tensor: "a", rows: [0, 2] }, { tensor: "b" }],
              rowOrder: { kind: "view", view: [2, 2], axes: [1, 0] },
            },
          ],
          transpose: true,
        },
      ],
      [0, 100, 2, 102, 1, 101, 3, 103],
    ],
  ])("%s", async (_, shape, inputs, expected) => {
    expect(await values(shape, inputs, source)).toEqual(expected);
  });

  test("exp and log undo each other", async () => {
    const logs = await values(
      [2, 2],
      [{ join: [{ tensor: "b", map: "subtract-one" }], map: "log-negative" }],
      {
        shapeOf: () => [2, 2],
        async readRows(_, __, ___, out) {
          out.set([0, -1].map((value) => value + 1 - Math.E));
        },
      },
    );
    expect(logs[0]).toBeCloseTo(1, 6);
  });
});

test("neighbouring rows are read together", async () => {
  const source = numbered({ a: [8, 2] });
  const reader = openWeight(
    {
      name: "t",
      shape: [8, 2],
      inputs: [{ tensor: "a", rowOrder: { kind: "view", view: [2, 4], axes: [0, 1] } }],
    },
    source,
  );
  await reader.readRows(0, 8, new Float32Array(16));
  expect(source.reads).toEqual(["a 0-8"]);
});

describe("row selections", () => {
  const plan: WeightPlan = {
    name: "t",
    shape: [6, 2],
    inputs: [{ tensor: "a", rowOrder: { kind: "rope-to-pairs", headCount: 1 } }, { tensor: "b" }],
  };
  const shapeOf = (name: string): readonly number[] => (name === "a" ? [4, 2] : [2, 2]);

  test("give the source of each row", () => {
    expect(isRowSelection(plan)).toBe(true);
    const originOf = rowOrigins(plan, shapeOf);
    expect([0, 1, 2, 3, 4, 5].map(originOf)).toEqual([
      { tensor: "a", row: 0 },
      { tensor: "a", row: 2 },
      { tensor: "a", row: 1 },
      { tensor: "a", row: 3 },
      { tensor: "b", row: 0 },
      { tensor: "b", row: 1 },
    ]);
    expect(plannedSources(plan)).toEqual(["a", "b"]);
    expect(() => originOf(6)).toThrow(/no row 6/);
  });

  test("also for joined inputs, through both orders", () => {
    const pairs: WeightPlan = {
      name: "t",
      shape: [4, 2],
      inputs: [{ join: plan.inputs, rows: [1, 5], rowOrder: { kind: "view", view: [2, 2], axes: [1, 0] } }],
    };
    expect(isRowSelection(pairs)).toBe(true);
    expect([0, 1, 2, 3].map(rowOrigins(pairs, shapeOf))).toEqual([
      { tensor: "a", row: 2 },
      { tensor: "a", row: 3 },
      { tensor: "a", row: 1 },
      { tensor: "b", row: 0 },
    ]);
    expect(isRowSelection({ inputs: [{ join: [{ tensor: "a", transpose: true }] }] })).toBe(false);
    expect(isRowSelection({ inputs: [{ join: [{ zeros: 2 }] }] })).toBe(false);
  });

  test("transposes and maps are not row selections", () => {
    expect(isRowSelection({ ...plan, inputs: [{ tensor: "a", transpose: true }] })).toBe(false);
    expect(isRowSelection({ ...plan, inputs: [{ tensor: "a", map: "add-one" }] })).toBe(false);
    expect(() => rowOrigins({ ...plan, inputs: [{ values: [1] }] }, shapeOf)).toThrow(/not a selection/);
  });
});

describe("plans that do not add up are refused, naming the tensor", () => {
  const source = numbered({ a: [4, 2], v: [6] });
  test.each<[string, number[], WeightInput[], RegExp]>([
    ["too few rows", [5, 2], [{ tensor: "a" }], /needs 10/],
    ["rows of unequal length", [5, 2], [{ tensor: "a" }, { tensor: "v" }], /cannot be joined/],
    ["rows beyond the end", [2, 2], [{ tensor: "a", rows: [3, 5] }], /are not among/],
    ["elements that do not divide", [8], [{ tensor: "a", rowLength: 3 }], /cannot be seen as rows of 3/],
  ])("%s", (_, shape, inputs, message) => {
    expect(() => openWeight({ name: "t", shape, inputs }, source)).toThrow(
      expect.objectContaining({ code: "CONVERSION", tensor: "t", message: expect.stringMatching(message) }),
    );
  });
});

test("plans are plain JSON that the schema accepts, and nothing else", () => {
  const plan: WeightPlan = {
    name: "t",
    shape: [4, 2],
    inputs: [
      { tensor: "a", rows: [0, 2], rowOrder: { kind: "rope-to-halves", headCount: 1 }, map: "subtract-one" },
      { join: [{ tensor: "b" }], transpose: true, columnOrder: { kind: "view", view: [2], ranges: [null] } },
      { values: [1, 2] },
      { zeros: 2 },
    ],
    forceF32: true,
    keeps: "MXFP4",
  };
  expect(weightPlanSchema.parse(JSON.parse(JSON.stringify(plan)))).toEqual(plan);
  for (const bad of [
    { ...plan, inputs: [] },
    { ...plan, inputs: [{ tensor: 1 }] },
    { ...plan, inputs: [{ tensor: "a", rows: [-1, 2] }] },
    { ...plan, inputs: [{ tensor: "a", map: "eval" }] },
    { ...plan, shape: [1.5] },
    { ...plan, extra: true },
  ]) {
    expect(weightPlanSchema.safeParse(bad).success).toBe(false);
  }
});
