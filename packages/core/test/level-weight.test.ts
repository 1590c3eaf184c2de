import { levelWeight } from "@requant/core/format";
import { E2M1_VALUES } from "@requant/core/numeric";
import { fitView, isTabled, type LevelTable, type Span, type ViewRequirement } from "@requant/core/view";
import { describe, expect, it } from "vitest";

const ROWS = 4;
const COLUMNS = 6;
/** Codes 0 to 15, again and again. */
const codes = Uint8Array.from({ length: ROWS * COLUMNS }, (_, i) => i % 16);

function weightOf(span: Span, values: readonly number[]) {
  return levelWeight(
    {
      rows: ROWS,
      columns: COLUMNS,
      levels: E2M1_VALUES,
      factors: [{ values: Float32Array.from(values), span }],
      offset: { kind: "none" },
      rounding: "none",
    },
    (rowStart, rowEnd, out) => out.set(codes.subarray(rowStart * COLUMNS, rowEnd * COLUMNS)),
  );
}

/** Each span with the factor of a weight, written down by hand. */
const SPANS: readonly (readonly [
  name: string,
  span: Span,
  values: readonly number[],
  factorOf: (row: number, column: number) => number,
])[] = [
  ["one for all", { kind: "tensor" }, [3], () => 3],
  [
    "blocks of 2 × 4",
    { kind: "blocks", blockRows: 2, blockColumns: 4 },
    [1, 2, 3, 4],
    (row, column) => (row < 2 ? (column < 4 ? 1 : 2) : column < 4 ? 3 : 4),
  ],
  [
    "runs of 9, which begin inside rows",
    { kind: "runs", length: 9 },
    [1, 2, 3],
    (row, column) => 1 + Math.floor((6 * row + column) / 9),
  ],
  ["runs of two rows", { kind: "runs", length: 12 }, [1, 2], (row) => (row < 2 ? 1 : 2)],
  [
    "groups of columns",
    { kind: "columns", groupCount: 2, groupOfColumn: Int32Array.of(0, 0, 0, 1, 1, 1) },
    [1, 2, 3, 4, 5, 6, 7, 8],
    (row, column) => 2 * row + (column < 3 ? 1 : 2),
  ],
];

describe.each(SPANS)("factors for %s", (_name, span, values, factorOf) => {
  it.each([
    [0, 4],
    [1, 2],
    [1, 4],
    [3, 4],
    [2, 2],
  ])("rows %i to %i", (start, end) => {
    const out = new Float32Array((end - start) * COLUMNS);
    weightOf(span, values).dequantize(start, end, out);
    const expected = Float32Array.from(out, (_, i) => {
      const [row, column] = [start + Math.floor(i / COLUMNS), i % COLUMNS];
      return E2M1_VALUES[(row * COLUMNS + column) % 16]! * factorOf(row, column);
    });
    expect(out).toEqual(expected);
  });
});

const table: LevelTable = { kind: "table", name: "E2M1", levels: E2M1_VALUES };

function requirement(blockSize: number, scale: ViewRequirement["scale"]): ViewRequirement {
  return { name: "a test", blockSize, shortLastBlock: false, codes: table, scale, roundsToHalf: false };
}

describe("fitting a table of levels", () => {
  const halves: Span = { kind: "columns", groupCount: 2, groupOfColumn: Int32Array.of(0, 0, 0, 1, 1, 1) };

  it("keeps the codes of the same table, −0 among them", () => {
    const view = weightOf(halves, [1, 2, 4, 8, 1, 2, 4, 0.5]).toLevels(0, ROWS);
    const { view: fitted } = fitView(view, requirement(3, "E8M0"));
    expect(fitted !== undefined && isTabled(fitted)).toBe(true);
    expect(fitted?.codes).toEqual(codes);
    expect(fitted?.scales).toEqual(Float32Array.of(1, 2, 4, 8, 1, 2, 4, 0.5));
  });

  it("moves a factor of two between levels and scales", () => {
    const view = {
      ...weightOf({ kind: "tensor" }, [4]).toLevels(0, ROWS),
      levels: E2M1_VALUES.map((x) => 2 * x),
    };
    const { view: fitted } = fitView(view, requirement(6, "E8M0"));
    expect(fitted?.codes).toEqual(codes);
    expect(fitted?.scales).toEqual(Float32Array.of(8, 8, 8, 8));
  });

  it("takes integers that are levels", () => {
    const integers = {
      rows: 1,
      columns: 4,
      groupCount: 1,
      groupOfColumn: new Int32Array(4),
      codes: Uint8Array.of(8, 9, 5, 14),
      scales: Float32Array.of(0.25),
      zeros: Int16Array.of(8),
      rounding: "none",
    } as const;
    // 0, 1, −3, 6 are levels
    expect(fitView(integers, requirement(4, "E8M0")).misfit).toBeUndefined();
    // 5 is none, and neither is 10 halves
    const misfit = fitView({ ...integers, codes: Uint8Array.of(8, 9, 5, 13) }, requirement(4, "E8M0")).misfit;
    expect(misfit?.reason).toMatch(/not all levels of E2M1/);
  });

  it("refuses scales that the layout does not store, and groups that are too small", () => {
    const view = weightOf(halves, [1, 2, 3, 8, 1, 2, 4, 0.5]).toLevels(0, ROWS);
    expect(fitView(view, requirement(3, "E8M0")).misfit?.reason).toMatch(
      /the scale 3 of row 1 is no e8m0 value/,
    );
    expect(fitView(view, requirement(3, "E4M3")).misfit).toBeUndefined();
    expect(fitView(view, requirement(6, "E4M3")).misfit?.reason).toMatch(/different scales meet/);
  });
});
