/** The kernels of AWQ, and core's behind it, against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, expect, it } from "vitest";
import { guarded, randomNumbers, seed, withSwitch } from "../../../fixtures/guarded-memory.ts";
import { expectSameReads, expectSameWrites, randomParts } from "../../../fixtures/linear-kernels.ts";
import { awqCodec } from "../src/codec.ts";
import * as interleaved from "../src/interleave.ts";
import { packInterleaved, unpackInterleaved } from "../src/kernels/interleave-twin.ts";
import { packGemm, unpackGemm } from "../src/kernels/order-twin.ts";
import * as reference from "../src/order.ts";
import type { AwqLayout } from "../src/packing.ts";

/** Rows and columns that fill words and tiles, fall short of them, and cross them. */
const cases: readonly (readonly [
  version: AwqLayout["version"],
  rows: number,
  columns: number,
  size: number,
])[] = [
  ["gemm", 8, 16, -1],
  ["gemm", 32, 16, 16],
  ["gemm", 40, 80, 16],
  ["gemm", 136, 208, 104],
  ["gemm", 72, 7, -1],
  ["gemm", 552, 1184, 32],
  ["gemv", 40, 256, 64],
  ["gemv", 7, 72, -1],
  ["gemv_fast", 40, 256, 64],
  ["llm-awq", 12, 640, 128],
  ["gemv_fast", 8, 16448, 64],
  ["marlin", 64, 16, -1],
  ["marlin", 128, 256, 128],
  ["marlin", 192, 1120, 32],
];

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`AWQ kernels (REQUANT_SEED=${seed})`, () => {
  it.each(cases)("%s [%i, %i] in groups of %i", (version, rows, columns, groupSize) => {
    const groupCount = groupSize === -1 ? 1 : columns / groupSize;
    const layout: AwqLayout = { version, rows, columns, groupCount, groupSize, scale: "F16" };
    const bytes = randomParts(awqCodec.parts(layout), groupCount, randomNumbers(seed + rows));
    expectSameReads(awqCodec, layout, bytes);
    // zero points of those are made of random offsets, which no other weight has
    if (version === "gemv_fast" || version === "llm-awq") return;
    expectSameWrites(awqCodec, layout, awqCodec.open(layout, bytes).toView(0, rows));
  });

  it("a code above 15 is refused, wherever it is", () => {
    const codes = new Uint8Array(64 * 32).fill(15);
    codes[64 * 9 + 40] = 16;
    for (const inside of [true, false]) {
      const fields = guarded(inside, codes.length);
      fields.bytes.set(codes);
      const gemm = { words: new Uint32Array(64 * 4), lines: 64, width: 4, start: 0, end: 32 };
      expect(() => packGemm(gemm, fields.bytes, 64)).toThrow("Code 16");
      fields.release();
    }
  });

  it.each([true, false])("four rows in turns, in the kernels' memory: %s", (inside) => {
    const [rows, columns] = [72, 1920];
    const random = randomNumbers(seed);
    const all = guarded(inside, rows * columns);
    const stored = guarded(inside, (rows * columns) / 2);
    const words = new Uint16Array(stored.bytes.buffer, stored.bytes.byteOffset, stored.bytes.length / 2);
    for (const [start, end] of [
      [0, rows],
      [8, 68],
      [3, 5],
    ] as const) {
      const codes = all.bytes.subarray(0, (end - start) * columns);
      for (let i = 0; i < codes.length; i++) codes[i] = random() * 16;
      words.fill(0xc5c5);
      const expected = new Uint16Array(words);
      interleaved.packInterleaved(codes, columns, start, end, expected);
      packInterleaved(codes, columns, start, end, words);
      expect(words.findIndex((word, i) => word !== expected[i])).toBe(-1);
      const wanted = new Uint8Array(codes);
      codes.fill(99);
      unpackInterleaved(words, columns, start, end, codes);
      expect(codes.findIndex((code, i) => code !== wanted[i])).toBe(-1);
    }
    all.bytes[columns + 7] = 16;
    expect(() => packInterleaved(all.bytes, columns, 0, 4, words)).toThrow("Code 16");
    for (const guard of [all, stored]) {
      guard.check();
      guard.release();
    }
  });

  it("features from within a word on", () => {
    const random = randomNumbers(seed);
    const words = Uint32Array.from({ length: 48 * 8 }, () => random() * 2 ** 32);
    for (const [start, end] of [
      [3, 50],
      [8, 61],
      [0, 64],
    ] as const) {
      const gemm = { words, lines: 48, width: 8, start, end };
      const unpackedBy = (unpack: typeof unpackGemm): Uint8Array => {
        const fields = new Uint8Array((end - start) * 50);
        unpack(gemm, fields, 50);
        return fields;
      };
      const expected = unpackedBy(reference.unpackGemm);
      expect(unpackedBy(unpackGemm)).toEqual(expected);
      expect(withSwitch(false, () => unpackedBy(unpackGemm))).toEqual(expected);
    }
  });
});
