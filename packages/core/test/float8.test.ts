import {
  E2M1_VALUES,
  E4M3_VALUES,
  E5M2_VALUES,
  e8m0ToFloat,
  floatToE2m1,
  floatToE4m3,
  floatToE8m0,
  isE4m3Scale,
} from "@requant/core/numeric";
import { describe, expect, it } from "vitest";

/** Of all codes of one sign the one with the nearest value, the even one of two: the definition, by looking at all of them. */
function nearestCode(values: Float32Array, count: number, value: number): number {
  let best = 0;
  for (let code = 1; code < count; code++) {
    const [own, least] = [Math.abs(values[code]! - value), Math.abs(values[best]! - value)];
    if (own < least || (own === least && code % 2 === 0)) best = code;
  }
  return best;
}

describe("E4M3", () => {
  // OCP 8-bit Floating Point Specification 1.0, table 2
  it("has the values of the specification's table", () => {
    const known = [
      [0x00, 0],
      [0x01, 2 ** -9],
      [0x07, 0.875 * 2 ** -6],
      [0x08, 2 ** -6],
      [0x38, 1],
      [0x7e, 448],
      [0x80, -0],
      [0xfe, -448],
    ] as const;
    for (const [code, value] of known) expect(E4M3_VALUES[code]).toBe(value);
    expect(E4M3_VALUES[0x7f]).toBeNaN();
    expect(E4M3_VALUES[0xff]).toBeNaN();
  });

  it("rounds to the nearest code, and to the even one of two", () => {
    for (let code = 0; code < 0x7e; code++) {
      const [low, high] = [E4M3_VALUES[code]!, E4M3_VALUES[code + 1]!];
      for (const share of [0, 0.25, 0.499, 0.5, 0.501, 1]) {
        const value = low + (high - low) * share;
        const nearest = nearestCode(E4M3_VALUES, 0x7f, value);
        expect(floatToE4m3(value), String(value)).toBe(nearest);
        expect(floatToE4m3(-value), String(-value)).toBe(nearest | 0x80);
      }
    }
  });

  it("saturates, and keeps NaN", () => {
    expect(floatToE4m3(449)).toBe(0x7e);
    expect(floatToE4m3(Number.NEGATIVE_INFINITY)).toBe(0xfe);
    expect(floatToE4m3(Number.NaN)).toBe(0x7f);
  });

  it("tells scales that it stores from those that it does not", () => {
    expect([0, 0.125, 448, 2 ** -9].map(isE4m3Scale)).toEqual([true, true, true, true]);
    expect([-1, 449, 1.0625, 2 ** -10, Number.NaN].map(isE4m3Scale)).toEqual(Array(5).fill(false));
  });
});

it("E5M2 has infinities and the range of its specification's table", () => {
  expect(E5M2_VALUES[0x7b]).toBe(57344);
  expect(E5M2_VALUES[0x01]).toBe(2 ** -16);
  expect(E5M2_VALUES[0x7c]).toBe(Number.POSITIVE_INFINITY);
  expect(E5M2_VALUES[0xfd]).toBeNaN();
});

describe("E8M0", () => {
  it("is a power of two, with a subnormal f32 at the low end and NaN at the high end", () => {
    expect([0, 127, 254].map(e8m0ToFloat)).toEqual([2 ** -127, 1, 2 ** 127]);
    expect(e8m0ToFloat(255)).toBeNaN();
  });

  it("gives back the code of every power of two, and of nothing else", () => {
    for (let code = 0; code < 255; code++) expect(floatToE8m0(2 ** (code - 127))).toBe(code);
    for (const value of [0, -1, 3, 2 ** 128, 2 ** -128, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(floatToE8m0(value), String(value)).toBeUndefined();
    }
  });
});

describe("E2M1", () => {
  it("rounds to the nearest code, and to the even one of two", () => {
    for (let i = 0; i <= 700; i++) {
      const value = i / 100;
      const nearest = nearestCode(E2M1_VALUES, 8, value);
      expect(floatToE2m1(value), String(value)).toBe(nearest);
      expect(floatToE2m1(-value), String(-value)).toBe(nearest + 8);
    }
  });
});
