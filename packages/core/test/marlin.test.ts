import { marlinScaleRow, packMarlin, unpackMarlin } from "@requant/core/bits";
import { expect, test } from "vitest";

/**
 * The first entries of the permutation tables that AutoAWQ's WQLinear_Marlin builds: value v of a run of 1024 is code
 * (k, n) = (v / 16 mod 16, 16 × (v / 256) + v mod 16) and lies at place p, nibble p mod 8 of word p / 8.
 */
const PERMUTATION = [
  0, 128, 8, 136, 16, 144, 24, 152, 256, 384, 264, 392, 272, 400, 280, 408, 512, 640, 520, 648, 528, 656, 536,
  664, 768, 896, 776, 904, 784, 912, 792, 920, 32, 160, 40, 168, 48, 176, 56, 184,
];

test("codes are in the places of Marlin's table", () => {
  PERMUTATION.forEach((value, place) => {
    const codes = new Uint8Array(64 * 16);
    const column = (value >> 4) & 15;
    const row = 16 * (value >> 8) + (value & 15);
    codes[row * 16 + column] = 9;
    const words = new Uint32Array(128);
    packMarlin(codes, 64, 16, 0, 64, words);
    const expected = new Uint32Array(128);
    expected[place >> 3] = (9 << (4 * (place & 7))) >>> 0;
    expect(words).toEqual(expected);
    const back = new Uint8Array(64 * 16);
    unpackMarlin(words, 64, 16, 0, 64, back);
    expect(back).toEqual(codes);
  });
});

test("scale rows are permutations of 64, and of 32 for one group", () => {
  expect(Array.from({ length: 10 }, (_, i) => marlinScaleRow(i, false))).toEqual([
    0, 8, 16, 24, 32, 40, 48, 56, 1, 9,
  ]);
  expect(Array.from({ length: 10 }, (_, i) => marlinScaleRow(i, true))).toEqual([
    0, 1, 8, 9, 16, 17, 24, 25, 2, 3,
  ]);
  for (const oneGroup of [false, true]) {
    const rows = Array.from({ length: 128 }, (_, i) => marlinScaleRow(i, oneGroup)).sort((a, b) => a - b);
    expect(rows).toEqual(Array.from({ length: 128 }, (_, i) => i));
  }
});
