/** Oracle: `packExl2` of `quantizeExl2`, which has the whole weight in memory. */
import type { RepeatedRows } from "@requant/core/format";
import { exl2HeadRecipes, exl2Recipes, packExl2, quantizeExl2 } from "@requant/exl2";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { packExl2Rows } from "../src/pack-rows.ts";

interface CountedRows extends RepeatedRows {
  /** Times that each band was read. */
  readonly reads: Map<number, number>;
}

/** Rows in memory that are given a band at a time, in one buffer that is used again. */
function rowsOf(values: Float32Array, columns: number, bandRows: number): CountedRows {
  const rows = values.length / columns;
  const starts = Array.from({ length: Math.ceil(rows / bandRows) }, (_, i) => i * bandRows);
  const bands = starts.map((start) => ({ start, end: Math.min(start + bandRows, rows) }));
  const room = new Float32Array(bandRows * columns);
  const reads = new Map<number, number>();
  return {
    bands,
    reads,
    async read({ start, end }) {
      reads.set(start, (reads.get(start) ?? 0) + 1);
      room.fill(Number.NaN);
      room.set(values.subarray(start * columns, end * columns));
      return room.subarray(0, (end - start) * columns);
    },
  };
}

function weightsOf(rows: number, columns: number, seed: number): Float32Array {
  return Float32Array.from({ length: rows * columns }, (_, i) => {
    const size = (i % columns) % 7 === seed % 7 ? 8 : 1;
    return size * Math.sin(i * 12.9898 + seed) * Math.cos(i * 0.37);
  });
}

const recipes = [...exl2Recipes, ...Object.values(exl2HeadRecipes)];

describe("packExl2Rows", () => {
  it("makes the same parts, whatever the bands are, with importance and without", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          // more than the rows by which maximums are chosen
          rows: fc.oneof(fc.integer({ min: 1, max: 70 }), fc.integer({ min: 97, max: 230 })),
          columns: fc.constantFrom(32, 96, 160, 256),
          recipe: fc.constantFrom(...recipes),
          bandRows: fc.constantFrom(1, 7, 32, 64, 1000),
          seed: fc.nat(1000),
          zeroColumns: fc.boolean(),
          guided: fc.boolean(),
        }),
        async ({ rows, columns, recipe, bandRows, seed, zeroColumns, guided }) => {
          const values = weightsOf(rows, columns, seed);
          if (zeroColumns) for (let i = 0; i < values.length; i++) if (i % columns < 64) values[i] = 0;
          const importance = guided
            ? Float32Array.from({ length: columns }, (_, i) => 1 + ((i * 31 + seed) % 17))
            : undefined;
          const source = rowsOf(values, columns, bandRows);
          const bytes = await packExl2Rows({ rows, columns, importance, source }, recipe);
          const whole = quantizeExl2(values, rows, columns, recipe, { importance });
          expect(bytes).toEqual(packExl2(whole).bytes);
        },
      ),
      { numRuns: 60 },
    );
  });

  it.each([
    ["one width", exl2Recipes[11], undefined, 2],
    ["several widths by importance", exl2Recipes[8], new Float32Array(96).fill(1), 2],
    ["several widths by the weights", exl2Recipes[8], undefined, 3],
  ])("%s: few reads of each band", async (_, recipe, importance, times) => {
    if (recipe === undefined) throw new Error("no such recipe");
    const source = rowsOf(weightsOf(100, 96, 1), 96, 32);
    await packExl2Rows({ rows: 100, columns: 96, importance, source }, recipe);
    expect([...source.reads]).toEqual([0, 32, 64, 96].map((start) => [start, times]));
  });

  it.each([
    ["a weight that is NaN", Number.NaN],
    ["an infinite weight", Number.NEGATIVE_INFINITY],
    ["a weight too large for the scales", 3e38],
  ])("leaves %s to pack, which names it", async (_, value) => {
    for (const recipe of recipes) {
      const values = weightsOf(40, 96, 5);
      values[39 * 96 + 95] = value;
      const source = rowsOf(values, 96, 32);
      expect(
        await packExl2Rows({ rows: 40, columns: 96, importance: undefined, source }, recipe),
      ).toBeUndefined();
      expect(() => quantizeExl2(values, 40, 96, recipe)).toThrow(/weight/);
    }
  });

  it("leaves wrong sizes to pack", async () => {
    const [recipe] = exl2Recipes;
    if (recipe === undefined) throw new Error("no recipes");
    const source = rowsOf(weightsOf(8, 40, 1), 40, 8);
    expect(
      await packExl2Rows({ rows: 8, columns: 40, importance: undefined, source }, recipe),
    ).toBeUndefined();
    const other = rowsOf(weightsOf(8, 64, 1), 64, 8);
    const importance = new Float32Array(63);
    expect(await packExl2Rows({ rows: 8, columns: 64, importance, source: other }, recipe)).toBeUndefined();
  });
});
