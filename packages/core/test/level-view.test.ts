/** Expected values are worked out by hand from the formula, in numbers that a reader can check. */
import { halfToFloat } from "@requant/core";
import {
  checkLevelView,
  dequantizeLevels,
  dequantizeView,
  fittedView,
  fitView,
  integerView,
  isBiased,
  type LevelView,
  levelViewOf,
  type Span,
  scalesOfBlocks,
  selectLevelRows,
  sequentialGroups,
  type ViewRequirement,
} from "@requant/core/view";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const columnsOf = (columns: number, size: number): Span => ({
  kind: "columns",
  groupCount: Math.ceil(columns / size),
  groupOfColumn: sequentialGroups(columns, size),
});

const base: LevelView = {
  rows: 2,
  columns: 4,
  codes: Uint8Array.of(0, 1, 2, 3, 3, 2, 1, 0),
  levels: "integer",
  factors: [{ values: Float32Array.of(2), span: { kind: "tensor" } }],
  offset: { kind: "none" },
  rounding: "none",
};

function valuesOf(view: LevelView): number[] {
  const out = new Float32Array(view.rows * view.columns);
  dequantizeLevels(view, out);
  return [...out];
}

describe("the values of a level view", () => {
  test("one factor for the tensor", () => {
    expect(valuesOf(base)).toEqual([0, 2, 4, 6, 6, 4, 2, 0]);
  });

  test("levels of a table", () => {
    expect(valuesOf({ ...base, levels: Float32Array.of(-1, 0, 0.5, 8) })).toEqual([
      -2, 0, 1, 16, 16, 1, 0, -2,
    ]);
  });

  test("two factors, of groups of columns and of rectangles", () => {
    const view: LevelView = {
      ...base,
      factors: [
        { values: Float32Array.of(1, 10, 100, 1000), span: columnsOf(4, 2) },
        { values: Float32Array.of(1, -1), span: { kind: "blocks", blockRows: 2, blockColumns: 3 } },
      ],
    };
    expect(valuesOf(view)).toEqual([0, 1, 20, -30, 300, 200, 1000, -0]);
  });

  test("runs of the flattened weight end inside rows", () => {
    const view: LevelView = {
      ...base,
      factors: [{ values: Float32Array.of(1, 10, 100), span: { kind: "runs", length: 3 } }],
    };
    expect(valuesOf(view)).toEqual([0, 1, 2, 30, 30, 20, 100, 0]);
  });

  test("zero points and biases", () => {
    const zeros: LevelView = {
      ...base,
      offset: { kind: "zeros", values: Int16Array.of(1, 2), span: columnsOf(4, 4) },
    };
    expect(valuesOf(zeros)).toEqual([-2, 0, 2, 4, 2, 0, -2, -4]);
    const bias: LevelView = {
      ...base,
      offset: { kind: "bias", values: Float32Array.of(0.5, -1), span: columnsOf(4, 4) },
    };
    expect(valuesOf(bias)).toEqual([0.5, 2.5, 4.5, 6.5, 5, 3, 1, -1]);
  });

  test("each step is rounded to f32: the product before the bias is added", () => {
    // (2^12 + 1)² = 2^24 + 2^13 + 1 has 25 bits; the last one is lost before the bias takes 2^24 away
    const view: LevelView = {
      ...base,
      rows: 1,
      columns: 1,
      codes: Uint8Array.of(0),
      levels: Float32Array.of(4097),
      factors: [{ values: Float32Array.of(4097), span: { kind: "tensor" } }],
      offset: { kind: "bias", values: Float32Array.of(-(2 ** 24)), span: { kind: "tensor" } },
    };
    expect(valuesOf(view)).toEqual([8192]);
  });

  test("rows are selected with their numbers", () => {
    const view: LevelView = {
      ...base,
      factors: [
        { values: Float32Array.of(1, 10), span: columnsOf(4, 4) },
        { values: Float32Array.of(2), span: { kind: "tensor" } },
      ],
      offset: { kind: "zeros", values: Int16Array.of(0, 1), span: columnsOf(4, 4) },
    };
    const swapped = selectLevelRows(view, 2, (row) => 1 - row);
    expect(valuesOf(swapped)).toEqual([40, 20, 0, -20, 0, 2, 4, 6]);
    const shared: LevelView = {
      ...base,
      factors: [{ values: Float32Array.of(1), span: { kind: "blocks", blockRows: 2, blockColumns: 4 } }],
    };
    expect(() => selectLevelRows(shared, 1, () => 0)).toThrow(/share a scale/);
    expect(() => selectLevelRows(view, 1, () => 2)).toThrow(/not rows/);
  });

  test("a level that is NaN is the value of its code, and is no integer", () => {
    const view: LevelView = {
      ...base,
      levels: Float32Array.of(0, 1, 2, Number.NaN),
      offset: { kind: "none" },
    };
    expect(valuesOf(view).filter((value) => Number.isNaN(value)).length).toBe(
      view.codes.filter((code) => code === 3).length,
    );
    expect(integerView(view).misfit?.reason).toMatch(/not whole multiples/);
  });

  test.each<[string, Partial<LevelView>, RegExp]>([
    ["codes", { codes: new Uint8Array(7) }, /codes has 7 numbers, and 8/],
    ["a factor", { factors: [{ values: new Float32Array(2), span: { kind: "tensor" } }] }, /factor 0 has 2/],
    ["a level that is missing", { levels: Float32Array.of(0, 1, 2) }, /code 3 has no level/],
    ["an infinite level", { levels: Float32Array.of(0, 1, 2, Number.POSITIVE_INFINITY) }, /is infinite/],
    [
      "a group that is not there",
      {
        factors: [
          {
            values: new Float32Array(2),
            span: { kind: "columns", groupCount: 1, groupOfColumn: Int32Array.of(0, 0, 0, 1) },
          },
        ],
      },
      /group 1/,
    ],
    [
      "a run of no weights",
      { factors: [{ values: new Float32Array(1), span: { kind: "runs", length: 0 } }] },
      /make no sense/,
    ],
    [
      "zero points beside a table",
      {
        levels: Float32Array.of(0, 1, 2, 3),
        offset: { kind: "zeros", values: Int16Array.of(0), span: { kind: "tensor" } },
      },
      /belong to integer levels/,
    ],
  ])("%s is refused", (_, changes, words) => {
    expect(() => checkLevelView({ ...base, ...changes })).toThrow(words);
  });
});

describe("as integers", () => {
  const reasonOf = (changes: Partial<LevelView>): string | undefined =>
    integerView({ ...base, ...changes }).misfit?.reason;

  test("E2M1 becomes −12 to 12 in halves", () => {
    const levels = Float32Array.of(0, 0.5, 1, 1.5, 2, 3, 4, 6, -0, -0.5, -1, -1.5, -2, -3, -4, -6);
    const codes = Uint8Array.from({ length: 8 }, (_, i) => 2 * i + 1);
    const { view } = integerView({ ...base, levels, codes });
    expect(view?.scales).toEqual(Float32Array.of(1, 1));
    expect(Array.from(view?.codes ?? [], (code) => code - 12)).toEqual([1, 3, 6, 12, -1, -3, -6, -12]);
    expect(view?.zeros).toEqual(Int16Array.of(12, 12));
  });

  test("a bias that is a whole multiple of its scale is a zero point", () => {
    const offset = { kind: "bias", values: Float32Array.of(-6, 0), span: columnsOf(4, 4) } as const;
    expect(integerView({ ...base, offset }).view?.zeros).toEqual(Int16Array.of(3, 0));
  });

  test("otherwise there is a reason", () => {
    const bias = (value: number): Partial<LevelView> => ({
      offset: { kind: "bias", values: Float32Array.of(value), span: { kind: "tensor" } },
    });
    expect(reasonOf(bias(1))).toMatch(/no whole multiple/);
    expect(reasonOf(bias(Number.NaN))).toMatch(/not a finite number/);
    expect(reasonOf({ levels: Float32Array.of(0, 0.1, 0.2, 0.3) })).toMatch(/multiples of one step/);
    expect(reasonOf({ levels: Float32Array.of(0, 1, 2, 1000) })).toMatch(/too far apart/);
    const huge = { values: Float32Array.of(Infinity), span: { kind: "tensor" } } as const;
    expect(reasonOf({ factors: [huge] })).toMatch(/not a finite number/);
    const tiny = { values: Float32Array.of(2 ** -149), span: { kind: "tensor" } } as const;
    expect(reasonOf({ factors: [tiny], levels: Float32Array.of(0, 0.5, 1, 2) })).toMatch(/too small/);
  });

  test("a product that is rounded before the bias is added is not an integer view", () => {
    // scale × 3 needs 25 bits: scale × (3 − 1) would be exact, the view's own value is not
    const scale = 2 ** 24 - 1;
    const view: LevelView = {
      ...base,
      factors: [{ values: Float32Array.of(scale), span: { kind: "tensor" } }],
      offset: { kind: "bias", values: Float32Array.of(-scale), span: { kind: "tensor" } },
    };
    expect(valuesOf(view)[3]).not.toBe(2 * scale);
    expect(integerView(view).misfit?.reason).toMatch(/^row 0 has an offset that is no whole/);
  });

  const number = fc.oneof(
    fc.constantFrom(0, 1, -1, 0.5, 3, 2 ** -149, 2 ** 120, 2 ** 24 - 1),
    fc.integer({ min: 0, max: 0xffff }).map(halfToFloat),
    fc.float({ noNaN: true }),
  );
  const spans: fc.Arbitrary<Span> = fc.oneof(
    fc.constantFrom(1, 2, 3, 8).map((size) => columnsOf(8, size)),
    fc.record({
      kind: fc.constant("blocks" as const),
      blockRows: fc.integer({ min: 1, max: 3 }),
      blockColumns: fc.integer({ min: 1, max: 9 }),
    }),
    fc.record({ kind: fc.constant("runs" as const), length: fc.integer({ min: 1, max: 25 }) }),
    fc.constant({ kind: "tensor" as const }),
  );
  const numbers = (of: fc.Arbitrary<number>): fc.Arbitrary<{ span: Span; values: number[] }> =>
    fc.record({ span: spans, values: fc.array(of, { minLength: 24, maxLength: 24 }) });

  /** As many of the numbers as the span has. */
  function countOf(span: Span): number {
    if (span.kind === "columns") return 3 * span.groupCount;
    if (span.kind === "blocks") return Math.ceil(3 / span.blockRows) * Math.ceil(8 / span.blockColumns);
    return span.kind === "runs" ? Math.ceil(24 / span.length) : 1;
  }

  const views: fc.Arbitrary<LevelView> = fc
    .record({
      codes: fc.uint8Array({ minLength: 24, maxLength: 24, max: 15 }),
      table: fc.option(fc.array(fc.integer({ min: -40, max: 40 }), { minLength: 16, maxLength: 16 })),
      factors: fc.array(numbers(number), { minLength: 1, maxLength: 2 }),
      offset: fc.option(numbers(fc.oneof(number, fc.integer({ min: -20, max: 20 })))),
      isBias: fc.boolean(),
    })
    .map(({ codes, table, factors, offset, isBias }): LevelView => {
      const some = offset?.values.slice(0, countOf(offset.span));
      return {
        rows: 3,
        columns: 8,
        codes,
        levels: table === null ? "integer" : Float32Array.from(table, (level) => level / 4),
        factors: factors.map(({ span, values }) => ({
          span,
          values: Float32Array.from(values.slice(0, countOf(span))),
        })),
        offset:
          offset === null || some === undefined
            ? { kind: "none" }
            : isBias
              ? { kind: "bias", span: offset.span, values: Float32Array.from(some) }
              : table === null
                ? { kind: "zeros", span: offset.span, values: Int16Array.from(some, (value) => value % 4096) }
                : { kind: "none" },
        rounding: "none",
      };
    });

  test("never changes a value, whatever the view", () => {
    let converted = 0;
    fc.assert(
      fc.property(views, (view) => {
        const { view: integers } = integerView(view);
        if (integers === undefined) return;
        converted++;
        const out = new Float32Array(24);
        dequantizeView(integers, out);
        expect(Array.from(out, (value) => value + 0)).toEqual(valuesOf(view).map((value) => value + 0));
        expect(valuesOf(levelViewOf(integers)).map((value) => value + 0)).toEqual(
          Array.from(out, (value) => value + 0),
        );
      }),
      { numRuns: 1000 },
    );
    expect(converted).toBeGreaterThan(100);
  });
});

describe("fitting", () => {
  const requirement: ViewRequirement = {
    name: "test",
    blockSize: 4,
    shortLastBlock: false,
    codes: { kind: "affine", maxCode: 3, minZero: -8, maxZero: 8 },
    scale: "F16",
    roundsToHalf: false,
    bias: "F16",
  };
  const biased: LevelView = {
    ...base,
    offset: { kind: "bias", values: Float32Array.of(0.75, -0.25), span: columnsOf(4, 4) },
  };

  test("a layout with a bias keeps it", () => {
    const { view } = fitView(biased, requirement);
    if (view === undefined || !isBiased(view)) throw new Error("no biased view");
    expect(view.biases).toEqual(Float32Array.of(0.75, -0.25));
    expect(view.scales).toEqual(Float32Array.of(2, 2));
  });

  test("and gives the reason where codes, halves or blocks do not fit", () => {
    const misfit = (changes: Partial<LevelView>, asked: Partial<ViewRequirement> = {}): string | undefined =>
      fitView({ ...biased, ...changes }, { ...requirement, ...asked }).misfit?.reason;
    expect(misfit({ codes: Uint8Array.of(4, 0, 0, 0, 0, 0, 0, 0) })).toMatch(/codes reach 4/);
    expect(
      misfit({ offset: { kind: "bias", values: Float32Array.of(1 / 3), span: { kind: "tensor" } } }),
    ).toMatch(/no f16 value/);
    expect(misfit({ factors: [{ values: Float32Array.of(1 / 3), span: { kind: "tensor" } }] })).toMatch(
      /no f16 value/,
    );
    expect(
      misfit({ offset: { kind: "bias", values: Float32Array.of(0.5, 0.75, 1, 1), span: columnsOf(4, 2) } }),
    ).toMatch(/meet inside a block of 4/);
    expect(() => fittedView(biased, requirement)).toThrow(/no whole multiple/);
  });
});

describe("one scale for each block of rows", () => {
  const groupCount = 2;

  test("the last block may be short", () => {
    const scales = Float32Array.of(1, 2, 1, 2, 5, 6);
    expect(scalesOfBlocks({ rows: 3, groupCount, scales }, 2, 0)).toEqual(Float32Array.of(1, 2, 5, 6));
  });

  test("the refusal of different scales names the row of the whole weight", () => {
    const scales = Float32Array.of(1, 2, 1, 3);
    expect(() => scalesOfBlocks({ rows: 2, groupCount, scales }, 2, 40)).toThrow(/^Row 41 has another scale/);
  });
});
