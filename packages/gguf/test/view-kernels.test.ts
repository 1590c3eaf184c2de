/** The kernel that reads blocks as a view against the TypeScript, bit for bit; NaNs are all alike. */
import { allocateKernelBuffer, kernelsAreInstalled } from "@requant/core/kernels";
import { describe, expect, test } from "vitest";
import { randomNumbers, seed } from "../../../fixtures/guarded-memory.ts";
import { blocksToView } from "../src/kernels/views-twin.ts";
import * as reference from "../src/view/index.ts";

describe.skipIf(!kernelsAreInstalled())(`Q4_K blocks as a view (REQUANT_SEED=${seed})`, () => {
  test.each([
    [1, 256],
    [3, 512],
    [9, 32768],
  ])("[%i, %i], in memory of either kind", (rows, columns) => {
    const type = reference.viewTypeByName("Q4_K");
    const byteLength = reference.blockRowsByteLength(type, rows, columns);
    const random = randomNumbers(seed);
    const bytes = Uint8Array.from({ length: byteLength }, () => random() * 256);
    const expected = reference.blocksToView(type, bytes, rows, columns);
    expect(expected.codes.some((code) => code !== 0)).toBe(true);
    const buffer = allocateKernelBuffer(byteLength);
    buffer.bytes().set(bytes);
    for (const own of [bytes, buffer.bytes(0, byteLength)]) {
      expect(blocksToView(type, own, rows, columns)).toEqual(expected);
    }
    buffer.release();
  });
});
