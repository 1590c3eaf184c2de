import { describe, expect, it } from "vitest";
import { comparer } from "../../src/run/comparison.ts";

describe("comparer", () => {
  it("finds the first difference over several pieces", () => {
    const comparison = comparer();
    comparison.add(Float32Array.of(1, 2), Float32Array.of(1, 2));
    comparison.add(Float32Array.of(3, 4), Float32Array.of(3, 6));
    expect(comparison.result()).toEqual({
      count: 4,
      equal: false,
      finite: true,
      firstDifference: 3,
      differences: 1,
      maxAbsError: 2,
      rmse: 1,
      relativeRmse: Math.sqrt(4 / 30),
      sqnr: 10 * Math.log10(30 / 4),
    });
  });

  it("takes NaN for equal to NaN, 0 for equal to -0, and infinities for what they are", () => {
    const comparison = comparer();
    comparison.add(Float32Array.of(Number.NaN, 0, Infinity), Float32Array.of(Number.NaN, -0, Infinity));
    expect(comparison.result()).toMatchObject({ equal: true, rmse: 0, relativeRmse: 0, sqnr: Infinity });
  });

  it("counts a NaN on one side as an infinite error", () => {
    const comparison = comparer();
    comparison.add(Float32Array.of(1), Float32Array.of(Number.NaN));
    expect(comparison.result()).toMatchObject({ equal: false, firstDifference: 0, maxAbsError: Infinity });
  });

  it("has an answer for no values at all", () => {
    expect(comparer().result()).toMatchObject({ count: 0, equal: true, rmse: 0 });
  });
});
