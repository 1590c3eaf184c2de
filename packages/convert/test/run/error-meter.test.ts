import { allocateKernelBuffer, kernelAddress } from "@requant/core/kernels";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { comparer } from "../../src/run/comparison.ts";
import type { ErrorSums } from "../../src/run/error-meter.ts";
import { errorMeter } from "../../src/run/error-meter-twin.ts";

const anyFloat = fc.float({ noDefaultInfinity: true, noNaN: true, min: -1000, max: 1000 });
const pairs = fc.array(fc.tuple(anyFloat, anyFloat), { maxLength: 100 });

function split(values: readonly (readonly [number, number])[]): [Float32Array, Float32Array] {
  return [Float32Array.from(values, ([a]) => a), Float32Array.from(values, ([, b]) => b)];
}

/** Calls `use` with both arrays in the memory of the kernels. */
function there<T>(a: Float32Array, b: Float32Array, use: (a: Float32Array, b: Float32Array) => T): T {
  const [one, two] = [allocateKernelBuffer(4 * a.length + 4), allocateKernelBuffer(4 * b.length + 4)];
  const views: [Float32Array, Float32Array] = [one.floats(0, a.length), two.floats(1, b.length + 1)];
  views[0].set(a);
  views[1].set(b);
  expect(kernelAddress(views[0])).toBeTypeOf("number");
  const result = use(...views);
  one.release();
  two.release();
  return result;
}

function sumsOf(a: Float32Array, b: Float32Array): ErrorSums {
  const meter = errorMeter();
  meter.add(a, b);
  return meter.sums();
}

describe("the error of encoding", () => {
  it("is the same to the last bit from the kernel", () => {
    fc.assert(
      fc.property(pairs, (values) => {
        const [a, b] = split(values);
        expect(there(a, b, sumsOf)).toEqual(sumsOf(a, b));
      }),
    );
  });

  it("is what the comparison of models says, but for rounding", () => {
    fc.assert(
      fc.property(pairs, (values) => {
        const [a, b] = split(values);
        const exact = comparer();
        exact.add(a, b);
        const { rmse, relativeRmse, maxAbsError } = exact.result();
        const sums = sumsOf(a, b);
        const found = a.length === 0 ? 0 : Math.sqrt(sums.noise / a.length);
        expect(Math.abs(found - rmse)).toBeLessThanOrEqual(1e-6 * rmse);
        if (relativeRmse > 0 && relativeRmse < 1e30)
          expect(Math.sqrt(sums.noise / sums.signal) / relativeRmse).toBeCloseTo(1, 5);
        expect(Math.abs(sums.maxAbsError - maxAbsError)).toBeLessThanOrEqual(1e-6 * maxAbsError);
      }),
    );
  });

  it("holds at any scale, and where one value is far larger than the others", () => {
    for (const scale of [2 ** -140, 2 ** -60, 2 ** -39, 1, 2 ** 54, 2 ** 60, 2 ** 120]) {
      for (const outlier of [1, 2 ** 6]) {
        const a = Float32Array.from({ length: 300 }, (_, i) => scale * (i === 200 ? outlier : 1 + (i % 5)));
        const b = new Float32Array(300);
        let noise = 0;
        for (const value of a) noise += value * value;
        const sums = there(a, b, sumsOf);
        expect(sums).toEqual(sumsOf(a, b));
        expect(Math.abs(sums.noise - noise)).toBeLessThanOrEqual(2e-6 * noise);
        // all of the values are error here
        expect(Math.abs(sums.signal - noise)).toBeLessThanOrEqual(2e-6 * noise);
        expect(sums.maxAbsError).toBe(Math.max(...a));
      }
    }
  });

  it("finds weights that are not finite, in the source and made so, counted from the first value", () => {
    const meter = errorMeter(4);
    const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
    meter.add(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 2, 3, 4));
    meter.add(Float32Array.of(1, -9, 3, 4), Float32Array.of(nan, nan, nan, nan));
    meter.add(Float32Array.of(1, 99, nan, inf), Float32Array.of(inf, inf, 3, inf));
    expect(meter.sums().nonFinite).toEqual({
      given: { count: 2, index: 10, value: nan, stored: 3, largest: nan, largestIndex: 10 },
      // the largest of its own block of four
      made: { count: 6, index: 4, value: 1, stored: nan, largest: -9, largestIndex: 5 },
    });
    const looked = errorMeter();
    looked.look(Float32Array.of(0, -0, 1e-45, 3e38), 0);
    expect(looked.sums()).toEqual({ noise: 0, maxAbsError: 0, signal: 0 });
    looked.look(Float32Array.of(0, inf, nan), 100);
    expect(looked.sums().nonFinite?.given).toMatchObject({ count: 2, index: 101, value: inf });
  });

  it("counts what is no number: the same on both sides is no error, on one side the largest there is", () => {
    const [nan, inf] = [Number.NaN, Number.POSITIVE_INFINITY];
    const cases: [number[], number[], number][] = [
      [[nan, inf, -inf, 1], [nan, inf, -inf, 1], 0],
      [[nan, 1], [0, 1], inf],
      [[inf], [-inf], inf],
      [[1], [inf], inf],
      [[inf, 1], [inf, 3], 2],
    ];
    for (const [a, b, most] of cases) {
      for (const padding of [0, 16]) {
        const [x, y] = [a, b].map((values) => Float32Array.from([...new Array(padding).fill(7), ...values]));
        if (x === undefined || y === undefined) continue;
        const wanted = { noise: most * most, maxAbsError: most };
        expect(sumsOf(x, y)).toMatchObject(wanted);
        expect(there(x, y, sumsOf)).toEqual(sumsOf(x, y));
      }
    }
  });
});
