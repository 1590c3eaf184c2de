import {
  affineParameters,
  dequantizeAbsmax,
  dequantizeAffine,
  fakeQuantize,
  nearestInt,
  quantizationError,
  quantizeAbsmax,
  quantizeAffine,
  rangeOf,
  roundHalfAway,
  roundHalfEven,
  UsageError,
} from "@requant/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const values = Float32Array.of(-1, -0.5, 0, 0.3, 1.25, 2);
const finite = fc.float({ noNaN: true, noDefaultInfinity: true, min: -65504, max: 65504 });
const someValues = fc.array(finite, { minLength: 1, maxLength: 64 }).map((list) => Float32Array.from(list));

describe("int8 absmax: the textbook walk-through", () => {
  // Oracle: the same steps in Python, each rounded to f32 with struct
  test("scale, codes, restored values and error", () => {
    const inputs = Float32Array.of(0.5, -0.93213, 0.1, 0, 0.7321);
    const codes = new Int8Array(5);
    const scale = quantizeAbsmax(inputs, codes);
    expect(scale).toBeCloseTo(127 / 0.93213, 4);
    expect(scale.toFixed(3)).toBe("136.247");
    expect([...codes]).toEqual([68, -127, 14, 0, 100]);
    const restored = new Float32Array(5);
    dequantizeAbsmax(codes, scale, restored);
    expect([...restored].map((value) => value.toFixed(5))).toEqual([
      "0.49909",
      "-0.93213",
      "0.10275",
      "0.00000",
      "0.73396",
    ]);
    const { maxAbsError, rmse } = quantizationError(inputs, restored);
    expect(maxAbsError).toBeCloseTo(0.0027545, 6);
    expect(maxAbsError).toBeLessThan(0.5 / scale);
    expect(rmse).toBeLessThan(maxAbsError);
  });

  test("a largest magnitude of exactly 0.932 gives 136.266", () => {
    expect(quantizeAbsmax(Float32Array.of(0.932), new Int8Array(1)).toFixed(3)).toBe("136.266");
  });

  test("property: each error is within half a step, and −128 is never used", () => {
    fc.assert(
      fc.property(someValues, (list) => {
        const codes = new Int8Array(list.length);
        const scale = quantizeAbsmax(list, codes);
        const restored = new Float32Array(list.length);
        dequantizeAbsmax(codes, scale, restored);
        expect(codes).not.toContain(-128);
        const { max, min } = rangeOf(list);
        const absmax = Math.max(max, -min);
        // below 127 / (greatest f32) there is no scale large enough, and codes shrink to 0
        const bound = absmax < 3.74e-37 ? absmax : (0.5 * absmax * 1.0001) / 127;
        expect(quantizationError(list, restored).maxAbsError).toBeLessThanOrEqual(bound);
      }),
    );
  });

  test("zeros, nothing, and the smallest subnormal", () => {
    const zeros = new Int8Array(3).fill(5);
    expect(quantizeAbsmax(new Float32Array(3), zeros)).toBe(1);
    expect([...zeros]).toEqual([0, 0, 0]);
    expect(quantizeAbsmax(new Float32Array(0), new Int8Array(0))).toBe(1);
    expect(Number.isFinite(quantizeAbsmax(Float32Array.of(2 ** -149), new Int8Array(1)))).toBe(true);
  });

  test("refuses values without a scale", () => {
    expect(() => quantizeAbsmax(Float32Array.of(1, Number.NaN), new Int8Array(2))).toThrow("Value 1 is NaN");
    expect(() => quantizeAbsmax(Float32Array.of(Number.POSITIVE_INFINITY), new Int8Array(1))).toThrow(
      UsageError,
    );
    expect(() => quantizeAbsmax(new Float32Array(2), new Int8Array(1))).toThrow(UsageError);
    expect(() => dequantizeAbsmax(new Int8Array(2), 1, new Float32Array(1))).toThrow(UsageError);
  });
});

describe("affine", () => {
  // Oracle: the definition in Python, each step rounded to f32 with struct
  test.each([
    {
      bitWidth: 8,
      signed: false,
      symmetric: false,
      scale: 0.0117647061124444,
      zeroPoint: 85,
      codes: [0, 43, 85, 111, 191, 255],
    },
    {
      bitWidth: 8,
      signed: true,
      symmetric: false,
      scale: 0.0117647061124444,
      zeroPoint: -43,
      codes: [-128, -85, -43, -17, 63, 127],
    },
    {
      bitWidth: 4,
      signed: false,
      symmetric: false,
      scale: 0.20000000298023224,
      zeroPoint: 5,
      codes: [0, 3, 5, 7, 11, 15],
    },
    {
      bitWidth: 4,
      signed: true,
      symmetric: true,
      scale: 0.2857142984867096,
      zeroPoint: 0,
      codes: [-3, -2, 0, 1, 4, 7],
    },
    {
      bitWidth: 8,
      signed: false,
      symmetric: true,
      scale: 0.015748031437397003,
      zeroPoint: 128,
      codes: [64, 96, 128, 147, 207, 255],
    },
    { bitWidth: 1, signed: false, symmetric: false, scale: 3, zeroPoint: 0, codes: [0, 0, 0, 0, 0, 1] },
  ])("$bitWidth bits, signed $signed, symmetric $symmetric", ({ scale, zeroPoint, codes, ...options }) => {
    const { min, max } = rangeOf(values);
    const parameters = affineParameters(min, max, options);
    expect(parameters).toMatchObject({ scale, zeroPoint });
    const out = options.signed ? new Int8Array(6) : new Uint8Array(6);
    quantizeAffine(values, parameters, out);
    expect([...out]).toEqual(codes);
    const restored = new Float32Array(6);
    dequantizeAffine(out, parameters, restored);
    expect([...restored]).toEqual(codes.map((code) => Math.fround((code - zeroPoint) * scale)));
  });

  test("property: 0 is exact, and values inside the range are off by at most about a step", () => {
    fc.assert(
      fc.property(
        someValues,
        fc.integer({ min: 2, max: 16 }),
        fc.boolean(),
        fc.boolean(),
        (list, bitWidth, signed, symmetric) => {
          const { min, max } = rangeOf(list);
          const parameters = affineParameters(min, max, { bitWidth, signed, symmetric });
          const codes = signed ? new Int16Array(list.length) : new Uint16Array(list.length);
          quantizeAffine(list, parameters, codes);
          const restored = new Float32Array(list.length);
          dequantizeAffine(codes, parameters, restored);
          list.forEach((value, i) => {
            if (value === 0) expect(Math.abs(restored[i] ?? 1)).toBe(0);
          });
          // rounding of the value and of the zero point: half a step each. Below 2^-126 the scale itself is rounded by up to
          // 2^-150, whatever its size, and each code multiplies that
          const bound = parameters.scale * 1.01 + 2 ** (bitWidth - 150);
          expect(quantizationError(list, restored).maxAbsError).toBeLessThanOrEqual(bound);
        },
      ),
    );
  });

  test("codes saturate, NaN has none", () => {
    const parameters = affineParameters(-1, 1, { bitWidth: 8, symmetric: true });
    const codes = new Int8Array(2);
    quantizeAffine(Float32Array.of(Number.POSITIVE_INFINITY, -50), parameters, codes);
    expect([...codes]).toEqual([127, -127]);
    expect(() => quantizeAffine(Float32Array.of(Number.NaN), parameters, new Int8Array(1))).toThrow(
      UsageError,
    );
  });

  test("refuses impossible widths, ranges and arrays", () => {
    expect(() => affineParameters(0, 1, { bitWidth: 17 })).toThrow(UsageError);
    expect(() => affineParameters(0, 1, { bitWidth: 1, symmetric: true })).toThrow(UsageError);
    expect(() => affineParameters(1, 0)).toThrow(UsageError);
    expect(() => affineParameters(0, Number.POSITIVE_INFINITY)).toThrow(UsageError);
    const wide = affineParameters(-1, 1, { bitWidth: 9 });
    expect(() => quantizeAffine(values, wide, new Uint8Array(6))).toThrow("do not fit a Uint8Array");
    const unsigned = affineParameters(-1, 1);
    expect(() => quantizeAffine(values, unsigned, new Int8Array(6))).toThrow(UsageError);
  });

  test("a constant tensor and an empty range keep 0 exact", () => {
    expect(affineParameters(0, 0)).toMatchObject({ scale: 1, zeroPoint: 0 });
    expect(affineParameters(3, 3)).toMatchObject({ zeroPoint: 0, scale: Math.fround(3 / 255) });
    expect(affineParameters(-3, -3)).toMatchObject({ zeroPoint: 255 });
  });
});

describe("fakeQuantize", () => {
  test("property: equals quantize and dequantize, and does nothing the second time with the same parameters", () => {
    fc.assert(
      fc.property(someValues, fc.integer({ min: 2, max: 8 }), fc.boolean(), (list, bitWidth, symmetric) => {
        const out = new Float32Array(list.length);
        const [parameters] = fakeQuantize(list, out, { bitWidth, symmetric });
        if (parameters === undefined) throw new Error("no parameters");
        const codes = symmetric ? new Int8Array(list.length) : new Uint8Array(list.length);
        quantizeAffine(list, parameters, codes);
        const expected = new Float32Array(list.length);
        dequantizeAffine(codes, parameters, expected);
        // −0 and 0 are the same value
        expect([...out].map((value) => value + 0)).toEqual([...expected].map((value) => value + 0));
        const again = new Float32Array(list.length);
        fakeQuantize(out, again, { parameters });
        expect(again).toEqual(out);
        expect(new Set(out).size).toBeLessThanOrEqual(2 ** bitWidth);
      }),
    );
  });

  test("per channel: a small row keeps its own scale", () => {
    const rows = Float32Array.of(100, -50, 25, 0.01, -0.005, 0.0025);
    const whole = new Float32Array(6);
    expect(fakeQuantize(rows, whole, { bitWidth: 4, symmetric: true })).toHaveLength(1);
    expect([...whole.subarray(3)].map(Math.abs)).toEqual([0, 0, 0]);
    const channels = new Float32Array(6);
    const used = fakeQuantize(rows, channels, { bitWidth: 4, symmetric: true, channelLength: 3 });
    expect(used.map(({ scale }) => scale)).toEqual([
      Math.fround(100 / 7),
      Math.fround(Math.fround(0.01) / 7),
    ]);
    expect(channels[3]).toBeCloseTo(0.01, 6);
  });

  test("works in place, with given parameters per channel", () => {
    const rows = Float32Array.of(0.4, 9, 0.4, 9);
    const narrow = affineParameters(0, 1, { bitWidth: 1 });
    const wide = affineParameters(0, 15, { bitWidth: 4 });
    fakeQuantize(rows, rows, { channelLength: 2, parameters: [narrow, wide] });
    expect([...rows]).toEqual([0, 1, 0, 9]);
  });

  test("refuses lengths that do not fit", () => {
    expect(() => fakeQuantize(values, new Float32Array(5))).toThrow(UsageError);
    expect(() => fakeQuantize(values, new Float32Array(6), { channelLength: 4 })).toThrow(UsageError);
    expect(() => fakeQuantize(values, new Float32Array(6), { channelLength: 0 })).toThrow(UsageError);
    const parameters = affineParameters(0, 1);
    expect(() =>
      fakeQuantize(values, new Float32Array(6), { channelLength: 2, parameters: [parameters, parameters] }),
    ).toThrow(UsageError);
    expect(fakeQuantize(new Float32Array(0), new Float32Array(0))).toEqual([]);
  });
});

describe("rounding", () => {
  const below = 0.5 - 2 ** -25; // the f32 just under a half
  // Oracle: C roundf, rintf by definition
  test.each([
    [0.5, 1, 0],
    [-0.5, -1, -0],
    [1.5, 2, 2],
    [2.5, 3, 2],
    [-2.5, -3, -2],
    [below, 0, 0],
    [-below, -0, -0],
    [2 ** 23 + 1, 2 ** 23 + 1, 2 ** 23 + 1],
    [2 ** 22 + 0.5, 2 ** 22 + 1, 2 ** 22],
    [-0, -0, -0],
    [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY],
    [Number.NaN, Number.NaN, Number.NaN],
  ])("%d: half away %d, half even %d", (value, away, even) => {
    expect(roundHalfAway(value)).toBe(away);
    expect(roundHalfEven(value)).toBe(even);
  });

  test("property: nearestInt is half even within ±4194303", () => {
    fc.assert(
      fc.property(fc.float({ min: -4194303, max: 4194303, noNaN: true }), (value) => {
        expect(nearestInt(value)).toBe(roundHalfEven(value) + 0);
      }),
    );
    for (const half of [0.5, 1.5, -0.5, -1.5, 2.5]) expect(nearestInt(half)).toBe(roundHalfEven(half) + 0);
  });
});
