/** Oracle: all combinations, tried one by one. */
import { allocateSizes, type SizedChoice, sizeRange, streamSensitivities } from "@requant/core/solve";
import fc from "fast-check";
import { describe, expect, it } from "vitest";

const choice = fc.record({ size: fc.integer({ min: 1, max: 40 }), cost: fc.integer({ min: 0, max: 100 }) });
const things = fc.array(fc.array(choice, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 5 });

function combinations(of: readonly (readonly SizedChoice[])[]): SizedChoice[] {
  return of.reduce<SizedChoice[]>(
    (sums, choices) =>
      sums.flatMap((sum) =>
        choices.map(({ size, cost }) => ({ size: sum.size + size, cost: sum.cost + cost })),
      ),
    [{ size: 0, cost: 0 }],
  );
}

describe("allocateSizes", () => {
  it("finds the least cost of few things: of those within a thousandth of the budget, or of all that fit", () => {
    fc.assert(
      fc.property(things, fc.integer({ min: 1, max: 200 }), (of, budget) => {
        fc.pre(sizeRange(of).smallest <= budget);
        const fitting = combinations(of).filter(({ size }) => size <= budget);
        const near = fitting.filter(({ size }) => size >= 0.999 * budget);
        const least = (near.length > 0 ? near : fitting).reduce((a, b) => Math.min(a, b.cost), Infinity);
        const { chosen, size, cost } = allocateSizes(of, budget);
        expect(cost).toBe(least);
        expect(chosen.reduce((sum, index, thing) => sum + of[thing]![index]!.size, 0)).toBe(size);
        expect(size).toBeLessThanOrEqual(budget);
      }),
    );
  });

  it("is close to the bound of a Lagrange multiplier for thousands of things of uneven sizes", () => {
    const many = Array.from({ length: 3000 }, (_, thing) =>
      [2, 3, 4, 5, 6, 8].map((bits) => ({
        size: (1000.5 + (thing % 97) * 13) * bits,
        cost: (1 + (thing % 31)) * 4 ** -bits,
      })),
    );
    const { smallest, largest } = sizeRange(many);
    const budget = 0.6 * smallest + 0.4 * largest;
    const { size, cost } = allocateSizes(many, budget);
    expect(size).toBeLessThanOrEqual(budget);
    expect(size).toBeGreaterThan(0.999 * budget);
    // for every multiplier, Σ min (cost + λ size) − λ budget is at most the cost of any allocation that fits
    let bound = 0;
    for (let exponent = -14; exponent < -4; exponent += 0.05) {
      const lambda = 2 ** exponent / 1000;
      const dual = many.reduce(
        (sum, of) => sum + of.reduce((least, at) => Math.min(least, at.cost + lambda * at.size), Infinity),
        -lambda * budget,
      );
      bound = Math.max(bound, dual);
    }
    expect(cost).toBeGreaterThanOrEqual(bound);
    expect(cost).toBeLessThan(1.01 * bound);
  });

  it("refuses a budget below the smallest sizes", () => {
    expect(() => allocateSizes([[{ size: 3, cost: 1 }]], 2)).toThrow(/smallest choices have a size of 3/);
  });
});

describe("streamSensitivities", () => {
  it("grow with the share of a block's output in the stream; unknown outputs count once", () => {
    // before the first block the stream holds as much as that block adds: 1 of 2, 2 of 4
    expect(streamSensitivities([1, 2, undefined])).toEqual([3.5, 3.5, 1]);
  });
});
