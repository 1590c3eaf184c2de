/** Oracle: numpy's reshape, slice and transpose, written out as nested loops; and the law that an order and its inverse cancel. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { invertRowOrder, orderedRowCount, type RowOrder, sourceRowOf } from "../src/index.ts";

function listOf(order: RowOrder, rows: number): number[] {
  const source = sourceRowOf(order, rows);
  return Array.from({ length: orderedRowCount(order, rows) }, (_, row) => source(row));
}

test("two heads of six: halves become pairs, as in llama.cpp's permute", () => {
  expect(listOf({ kind: "rope-to-pairs", headCount: 2 }, 12)).toEqual([0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11]);
});

test("an order and its inverse cancel", () => {
  const rope = fc
    .tuple(
      fc.constantFrom("rope-to-pairs" as const, "rope-to-halves" as const),
      fc.integer({ min: 1, max: 8 }),
      fc.integer({ min: 1, max: 9 }),
    )
    .map(([kind, headCount, half]) => ({
      order: { kind, headCount } as RowOrder,
      rows: headCount * half * 2,
    }));
  const view = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }).chain((sizes) =>
    fc
      .shuffledSubarray(
        sizes.map((_, axis) => axis),
        { minLength: sizes.length },
      )
      .map((axes) => ({
        order: { kind: "view", view: sizes, axes } as RowOrder,
        rows: sizes.reduce((product, size) => product * size, 1),
      })),
  );
  fc.assert(
    fc.property(fc.oneof(rope, view), ({ order, rows }) => {
      const there = sourceRowOf(order, rows);
      const back = sourceRowOf(invertRowOrder(order, rows), rows);
      for (let row = 0; row < rows; row++) expect(there(back(row))).toBe(row);
    }),
  );
});

test("a view with ranges and axes is numpy's reshape, slice, transpose", () => {
  const order: RowOrder = { kind: "view", view: [2, 3, 4], ranges: [null, [1, 3], null], axes: [1, 0, 2] };
  const expected: number[] = [];
  for (let b = 1; b < 3; b++)
    for (let a = 0; a < 2; a++) for (let c = 0; c < 4; c++) expected.push((a * 3 + b) * 4 + c);
  expect(listOf(order, 24)).toEqual(expected);
});

describe("refuses", () => {
  test.each<[string, RowOrder, number, RegExp]>([
    ["heads that do not divide", { kind: "rope-to-pairs", headCount: 5 }, 12, /multiple of 10/],
    ["an odd head", { kind: "rope-to-pairs", headCount: 3 }, 9, /multiple of 6/],
    ["a view of other size", { kind: "view", view: [2, 5] }, 12, /cannot be seen/],
    ["an axis twice", { kind: "view", view: [3, 4], axes: [0, 0] }, 12, /cannot be seen/],
    ["an empty range", { kind: "view", view: [3, 4], ranges: [[2, 2]] }, 12, /has no range/],
    ["a range beyond its axis", { kind: "view", view: [3, 4], ranges: [[2, 4]] }, 12, /has no range/],
  ])("%s", (_, order, rows, message) => {
    expect(() => sourceRowOf(order, rows)).toThrow(
      expect.objectContaining({ code: "CONVERSION", message: expect.stringMatching(message) }),
    );
  });

  test("an inverse of a selection", () => {
    const order: RowOrder = { kind: "view", view: [3, 4], ranges: [[0, 2]] };
    expect(() => invertRowOrder(order, 12)).toThrow(/no inverse/);
  });
});
