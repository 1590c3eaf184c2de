import { allocateKernelBuffer, kernelAddress, kernelsAreInstalled } from "@requant/core/kernels";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { comparer } from "../../src/run/comparison.ts";
import { comparer as kernelComparer } from "../../src/run/comparison-twin.ts";

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

const float = fc.oneof(
  { weight: 4, arbitrary: fc.float({ min: -1000, max: 1000, noNaN: true }) },
  fc.constantFrom(Number.NaN, Infinity, -Infinity, 0, -0, 1e-45, 3e38),
);
/** Mostly equal values, or mostly different ones. */
const pairs = fc.array(
  fc.oneof(
    fc.tuple(float, float),
    float.map((value): [number, number] => [value, value]),
  ),
  { maxLength: 70 },
);

/** Calls `use` with both arrays in the memory of the kernels. */
function there(a: Float32Array, b: Float32Array, use: (a: Float32Array, b: Float32Array) => void): void {
  const [one, two] = [allocateKernelBuffer(4 * a.length + 4), allocateKernelBuffer(4 * b.length + 4)];
  const views: [Float32Array, Float32Array] = [one.floats(0, a.length), two.floats(1, b.length + 1)];
  views[0].set(a);
  views[1].set(b);
  expect(kernelAddress(views[0])).toBeTypeOf("number");
  use(...views);
  one.release();
  two.release();
}

describe.skipIf(!kernelsAreInstalled())("the kernel of the comparer", () => {
  it("gives the same to the last bit, band after band", () => {
    fc.assert(
      fc.property(fc.array(pairs, { maxLength: 4 }), (bands) => {
        const [own, reference] = [kernelComparer(), comparer()];
        for (const band of bands) {
          const a = Float32Array.from(band, ([value]) => value);
          const b = Float32Array.from(band, ([, value]) => value);
          reference.add(a, b);
          there(a, b, own.add);
        }
        expect(own.result()).toEqual(reference.result());
      }),
    );
  });

  it("finds each single difference, wherever it stands and whatever it is", () => {
    for (const [value, other] of [
      [1, 2],
      [1, Number.NaN],
      [Number.NaN, 1],
      [Infinity, -Infinity],
      [3e38, -3e38],
    ] as const) {
      for (let at = 0; at < 11; at++) {
        const [a, b] = [new Float32Array(11).fill(7), new Float32Array(11).fill(7)];
        a[at] = value;
        b[at] = other;
        const [own, reference] = [kernelComparer(), comparer()];
        there(a, b, own.add);
        reference.add(a, b);
        expect(own.result()).toMatchObject({ firstDifference: at, differences: 1 });
        expect(own.result()).toEqual(reference.result());
      }
    }
  });
});
