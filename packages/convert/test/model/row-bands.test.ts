/** Bands of rows: they cover every row once, in order, and none is longer than it may be. */
import { describe, expect, it } from "vitest";
import { bandMemory, rowBands } from "../../src/model/row-bands.ts";

function bounds(...args: Parameters<typeof rowBands>): [number, number][] {
  return [...rowBands(...args)].map(({ start, end }) => [start, end]);
}

describe("bands of rows", () => {
  it("hold at most the asked bytes of f32", () => {
    expect(bounds([10, 4], { byteLength: 3 * 16 })).toEqual([
      [0, 3],
      [3, 6],
      [6, 9],
      [9, 10],
    ]);
  });

  it("hold one row at least", () => {
    expect(bounds([2, 1000], { byteLength: 8 })).toEqual([
      [0, 1],
      [1, 2],
    ]);
  });

  it("may begin with a short one", () => {
    expect(bounds([10, 4], { byteLength: 4 * 16, firstRows: 1 })).toEqual([
      [0, 1],
      [1, 5],
      [5, 9],
      [9, 10],
    ]);
  });

  it("begin at multiples", () => {
    expect(bounds([10, 4], { byteLength: 5 * 16, multiple: 4 })).toEqual([
      [0, 4],
      [4, 8],
      [8, 10],
    ]);
  });

  it("are of some rows where only some are asked for", () => {
    expect(bounds([10, 4], { byteLength: 3 * 16, rows: { start: 2, end: 7 } })).toEqual([
      [2, 5],
      [5, 7],
    ]);
  });

  it("of nothing are none", () => {
    expect(bounds([0, 4])).toEqual([]);
    expect(bounds([4, 0])).toEqual([]);
  });

  it("share one memory of the longest", () => {
    const memory = bandMemory([10, 4], { byteLength: 3 * 16 });
    const [first, last] = [memory({ start: 0, end: 3 }), memory({ start: 9, end: 10 })];
    expect([first.length, last.length, first.buffer === last.buffer]).toEqual([12, 4, true]);
  });
});
