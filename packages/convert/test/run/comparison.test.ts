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

  it("sums in doubles, however large or small values are", () => {
    for (const scale of [1, 1e-30, 1e30, 2 ** -45, 2 ** 60]) {
      const a = Float32Array.from({ length: 5000 }, (_, i) => scale * Math.sin(i));
      const b = a.map((value, i) => value * (1 + 0.01 * Math.cos(7 * i)));
      let [noise, signal] = [0, 0];
      for (const [i, value] of a.entries()) {
        noise += (value - (b[i] ?? 0)) ** 2;
        signal += value ** 2;
      }
      const comparison = comparer();
      comparison.add(a, b);
      const { rmse, relativeRmse } = comparison.result();
      expect(rmse / Math.sqrt(noise / 5000)).toBeCloseTo(1, 12);
      expect(relativeRmse / Math.sqrt(noise / signal)).toBeCloseTo(1, 12);
    }
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

  it("gives the same for values that f32 can square, some of them equal, in bands of any length", () => {
    const ordinary = fc.float({ min: -4, max: 4, noNaN: true });
    const errors = fc.array(fc.oneof({ weight: 2, arbitrary: fc.constant(0) }, ordinary), { maxLength: 600 });
    fc.assert(
      fc.property(errors, fc.nat(300), ordinary, (some, equal, seed) => {
        const a = Float32Array.from({ length: equal + some.length }, (_, i) => Math.cos(i + seed) + 1.5);
        const b = a.map((value, i) => value + (some[i - equal] ?? 0));
        const [own, reference] = [kernelComparer(), comparer()];
        reference.add(a, b);
        there(a, b, own.add);
        expect(own.result()).toEqual(reference.result());
      }),
    );
  });

  it("gives the same for values that are compared with themselves", () => {
    for (const odd of [7, Number.NaN, Infinity, 1e-30]) {
      for (const length of [5, 128, 1000]) {
        const values = Float32Array.from({ length }, (_, i) => i - 3);
        values[length - 2] = odd;
        const [own, reference] = [kernelComparer(), comparer()];
        there(values, values, (first) => own.add(first, first));
        reference.add(values, values);
        expect(own.result()).toEqual(reference.result());
        expect(own.result()).toMatchObject({ equal: true, rmse: 0, finite: Math.abs(odd) < Infinity });
      }
    }
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
