import { halfToFloat } from "@requant/core";
import {
  dequantizeView,
  fitView,
  groupSizeOf,
  type IntegerView,
  quantizeView,
  roundingAllowed,
  selectRows,
  sequentialGroups,
  stackViews,
  type ViewRequirement,
  viewFacts,
  viewMisfit,
  withMeasuredOffsets,
} from "@requant/core/view";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const tiny: IntegerView = {
  rows: 2,
  columns: 4,
  groupCount: 2,
  groupOfColumn: Int32Array.of(0, 0, 1, 1),
  codes: Uint8Array.of(0, 15, 8, 7, 1, 2, 3, 4),
  scales: Float32Array.of(0.5, -2, 1, 0.25),
  zeros: Int16Array.of(8, 8, 0, 4),
  rounding: "none",
};

function valuesOf(view: IntegerView): number[] {
  const out = new Float32Array(view.rows * view.columns);
  dequantizeView(view, out);
  return Array.from(out, (value) => value + 0);
}

describe("a view", () => {
  test("means scale × (code − zero)", () => {
    expect(valuesOf(tiny)).toEqual([-4, 3.5, 0, 2, 1, 2, -0.25, 0]);
  });

  test("rounding f16 rounds each product once", () => {
    // 2049 lies between the f16 values 2048 and 2050; the tie goes to the even significand
    const view: IntegerView = {
      ...tiny,
      rows: 1,
      columns: 2,
      groupCount: 1,
      groupOfColumn: Int32Array.of(0, 0),
      codes: Uint8Array.of(3, 9),
      scales: Float32Array.of(683),
      zeros: Int16Array.of(0),
    };
    expect(valuesOf(view)).toEqual([2049, 6147]);
    expect(valuesOf({ ...view, rounding: "f16" })).toEqual([2048, 6148]);
  });

  test("rows are selected and stacked", () => {
    const swapped = selectRows(tiny, 2, (row) => 1 - row);
    expect(valuesOf(swapped)).toEqual([1, 2, -0.25, 0, -4, 3.5, 0, 2]);
    expect(valuesOf(stackViews([swapped, tiny]))).toEqual([...valuesOf(swapped), ...valuesOf(tiny)]);
    expect(() => selectRows(tiny, 1, () => 2)).toThrow(/rows/i);
    expect(() => stackViews([tiny, { ...tiny, groupOfColumn: Int32Array.of(0, 1, 0, 1) }])).toThrow(
      /stacked/,
    );
  });

  test("group sizes", () => {
    expect(groupSizeOf(sequentialGroups(320, 128))).toBe(128);
    expect(groupSizeOf(sequentialGroups(320, -1))).toBe(320);
    expect(groupSizeOf(Int32Array.of(0, 0, 1, 1, 1))).toBeUndefined();
    expect(groupSizeOf(Int32Array.of(0, 1, 0, 1))).toBeUndefined();
    expect(groupSizeOf(Int32Array.of(1, 1, 0, 0))).toBeUndefined();
  });

  test("a scale that is not a number is refused with its place", () => {
    const scales = Float32Array.of(1, 1, Number.NaN, 1);
    expect(() => viewFacts({ ...tiny, scales }, 15, { tensor: "x.scales" })).toThrow(/row 1, group 0 is NaN/);
  });
});

const gptq: ViewRequirement = {
  name: "test",
  blockSize: 32,
  shortLastBlock: true,
  codes: { kind: "affine", maxCode: 15, minZero: 1, maxZero: 15 },
  scale: "F16",
  roundsToHalf: true,
};

describe("fitting", () => {
  const base = quantizeView(
    Float32Array.from({ length: 4 * 128 }, (_, i) => Math.sin(i * 12.9898)),
    4,
    128,
    { bits: 4, groupSize: 32, symmetric: false, scale: "F16" },
  );

  test("splits groups, merges equal ones, keeps values", () => {
    const finer = fitView(base, { ...gptq, blockSize: 16 });
    if (finer.view === undefined) throw new Error(finer.misfit.reason);
    expect(finer.view.groupCount).toBe(8);
    expect(valuesOf(finer.view)).toEqual(valuesOf(base));
    const merged = fitView(finer.view, gptq);
    expect(merged.view).toEqual(base);
    expect(fitView(base, { ...gptq, blockSize: 64 }).misfit?.reason).toMatch(/different scales meet/);
  });

  test("moves zero points that the target cannot store, where codes leave room", () => {
    const zeros = base.zeros.map(() => 16);
    const codes = base.codes.map((code) => code & 7);
    const moved = fitView({ ...base, zeros, codes: codes.map((code) => code + 8) }, gptq);
    if (moved.view === undefined) throw new Error(moved.misfit.reason);
    expect(Math.max(...moved.view.zeros)).toBeLessThanOrEqual(15);
    expect(valuesOf(moved.view)).toEqual(valuesOf({ ...base, zeros, codes: codes.map((code) => code + 8) }));
    const full = { ...base, zeros, codes: base.codes.map((_, i) => i & 15) };
    expect(fitView(full, gptq).misfit?.reason).toMatch(/-16…-1 in one group/);
  });

  test("scales that must be rounded are reported before, and allowed on request", () => {
    const scales = base.scales.map((scale) => Math.fround(scale * 1.0001));
    const facts = viewFacts({ ...base, scales }, 15);
    expect(viewMisfit(facts, gptq)?.reason).toMatch(/not f16/);
    const fromZero = { ...gptq, codes: { ...gptq.codes, minZero: 0 } } as ViewRequirement;
    expect(viewMisfit(facts, fromZero)?.reason).toMatch(/not f16/);
    expect(viewMisfit(facts, { ...gptq, scale: "F32" })).toBeUndefined();
    expect(fitView({ ...base, scales }, roundingAllowed(gptq)).misfit).toBeUndefined();
  });

  test("group index: any grouping is kept", () => {
    const scattered = { ...base, groupOfColumn: base.groupOfColumn.map((_, column) => column % 4) };
    const facts = viewFacts(scattered, 15);
    expect(facts.scattered).toBe(true);
    expect(viewMisfit(facts, gptq)?.reason).toBe("act-order mixes groups inside each block of 32 columns");
    expect(fitView(scattered, gptq).misfit?.reason).toBe(
      "act-order mixes groups inside each block of 32 columns",
    );
    const kept = fitView(scattered, { ...gptq, blockSize: "any" });
    expect(kept.view?.groupOfColumn).toEqual(scattered.groupOfColumn);
  });
});

describe("round to nearest", () => {
  const cases = fc.record({
    bits: fc.integer({ min: 2, max: 8 }),
    groupSize: fc.constantFrom(8, 32, 48, -1),
    symmetric: fc.boolean(),
    minZero: fc.constantFrom(0, 1),
    values: fc
      .array(fc.float({ min: Math.fround(-50), max: Math.fround(100), noNaN: true }), {
        minLength: 96,
        maxLength: 96,
      })
      .map((array) => Float32Array.from(array)),
  });

  test("the error is at most half a step, and what rounding the scale adds", () => {
    fc.assert(
      fc.property(cases, ({ bits, groupSize, symmetric, minZero, values }) => {
        const view = quantizeView(values, 1, 96, { bits, groupSize, symmetric, scale: "F16", minZero });
        const out = valuesOf(view);
        for (let i = 0; i < 96; i++) {
          const step = Math.abs(view.scales[view.groupOfColumn[i]!]!);
          // an f16 scale is off by up to 2^-11 of itself (2^-25 when subnormal), times at most 2^bits codes
          const slack = 2 ** bits * Math.max(step * 2 ** -11, 2 ** -25) + 1e-6;
          expect(Math.abs(out[i]! - values[i]!)).toBeLessThanOrEqual(step / 2 + slack);
        }
        expect(view.zeros.every((zero) => zero >= (symmetric ? 0 : minZero) && zero < 2 ** bits)).toBe(true);
      }),
      { numRuns: 300 },
    );
  });

  test("the search never makes its own measure worse", () => {
    fc.assert(
      fc.property(cases, ({ bits, groupSize, symmetric, values }) => {
        const options = { bits, groupSize, symmetric, scale: "F16" } as const;
        const cost = (view: IntegerView): number =>
          valuesOf(view).reduce((sum, value, i) => sum + (value - values[i]!) ** 2, 0);
        const plain = cost(quantizeView(values, 1, 96, options));
        const searched = cost(quantizeView(values, 1, 96, { ...options, search: true }));
        expect(searched).toBeLessThanOrEqual(plain * (1 + 1e-5) + 1e-9);
      }),
      { numRuns: 30 },
    );
  });

  test("all-zero groups, infinities and huge weights", () => {
    const options = { bits: 4, groupSize: 8, symmetric: true, scale: "F16" } as const;
    expect(valuesOf(quantizeView(new Float32Array(8), 1, 8, options))).toEqual(new Array(8).fill(0));
    expect(() => quantizeView(Float32Array.of(1, Number.NaN), 1, 2, options)).toThrow(/NaN/);
    expect(() => quantizeView(Float32Array.of(1e9, 0), 1, 2, options)).toThrow(/too large/);
    expect(
      quantizeView(Float32Array.of(1e9, 0), 1, 2, { ...options, scale: "F32" }).scales[0],
    ).toBeGreaterThan(1e8);
    expect(valuesOf(quantizeView(Float32Array.of(1e-12, -1e-12), 1, 2, options))).toEqual([0, 0]);
  });

  test("measured offsets narrow the range in the facts", () => {
    const view = { ...tiny, scales: Float32Array.from([1, 1, 1, 1], () => halfToFloat(0x3c00)) };
    const facts = viewFacts(view, 15);
    expect([facts.minOffset, facts.maxOffset]).toEqual([-8, 15]);
    const measured = withMeasuredOffsets(facts, view);
    expect([measured.minOffset, measured.maxOffset]).toEqual([-8, 7]);
  });
});
