/** The kernels of four-bit floats against the TypeScript, bit for bit. */
import { installKernels, kernelsAreInstalled } from "@requant/core/kernels";
import { afterAll, describe, expect, it } from "vitest";
import { guarded, randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { dequantizePairs } from "../src/kernels/pairs-twin.ts";
import * as reference from "../src/pairs.ts";

/** Blocks that fill scratch memory, fall short of it, and cross its end. */
const counts = [0, 1, 7, 512, 1024, 1025, 3000];

afterAll(installKernels);

describe.skipIf(!kernelsAreInstalled())(`four-bit float kernels (REQUANT_SEED=${seed})`, () => {
  const cases = counts.flatMap((count) => [16, 32].map((blockSize) => [count, blockSize] as const));
  it.each(cases)("%i blocks of %i", (count, blockSize) => {
    const random = randomNumbers(seed + count + blockSize);
    const byte = (): number => Math.floor(256 * random());
    // every exponent, subnormal ones included; products may be infinite, and NaN
    const scaleValues = new Float32Array(
      Uint32Array.from({ length: 256 }, () => Math.floor(2 ** 32 * random())).buffer,
    ).map((value) => (Number.isNaN(value) ? Number.NaN : value));
    const pairs = Uint8Array.from({ length: (count * blockSize) / 2 }, byte);
    const scales = Uint8Array.from({ length: count }, byte);
    const expected = new Float32Array(count * blockSize);
    reference.dequantizePairs({ pairs, scales, scaleValues, blockSize }, expected);
    for (const [pairsInside, outInside] of [
      [false, false],
      [true, false],
      [false, true],
      [true, true],
    ] as const) {
      const memory = guarded(pairsInside, pairs.length + scales.length);
      const out = guarded(outInside, 4 * expected.length);
      memory.bytes.set(pairs);
      memory.bytes.set(scales, pairs.length);
      const values = new Float32Array(out.bytes.buffer, out.bytes.byteOffset, expected.length);
      const codes = {
        pairs: memory.bytes.subarray(0, pairs.length),
        scales: memory.bytes.subarray(pairs.length),
        scaleValues,
        blockSize,
      };
      dequantizePairs(codes, values);
      const found = values.map((value) => (Number.isNaN(value) ? Number.NaN : value));
      expect(new Uint32Array(found.buffer)).toEqual(new Uint32Array(expected.buffer));
      memory.check();
      out.check();
      memory.release();
      out.release();
    }
  });
});
