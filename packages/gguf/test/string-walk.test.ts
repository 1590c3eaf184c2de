/** The kernel that walks over strings. Oracle: the walk in TypeScript. */
import { installKernels, TILE_BYTE_LENGTH, uninstallKernels } from "@requant/core/kernels";
import fc from "fast-check";
import { afterEach, expect, it } from "vitest";
import { skipStrings } from "../src/kernels/string-walk-twin.ts";
import * as reference from "../src/string-walk.ts";

afterEach(installKernels);

/** Strings of these lengths, each behind its length. */
function strings(lengths: readonly (number | bigint)[], littleEndian = true): Uint8Array {
  const bytes = new Uint8Array(lengths.reduce<number>((sum, length) => sum + 8 + Number(length), 3));
  const view = new DataView(bytes.buffer);
  let at = 3;
  for (const length of lengths) {
    view.setBigUint64(at, BigInt(length), littleEndian);
    at += 8 + Number(length);
  }
  return bytes;
}

const many = (length: number): number[] => Array.from({ length: 5000 }, (_, i) => (length * (i % 7)) >> 1);

it("walks as far as the walk in TypeScript, wherever the bytes end", () => {
  const lengths = fc.array(fc.oneof(fc.nat(20), fc.nat(3000)), { minLength: 1, maxLength: 40 });
  fc.assert(
    fc.property(lengths, fc.nat(4000), fc.nat(2500), fc.boolean(), (some, cut, limit, littleEndian) => {
      const all = [...many(9), ...some, ...many(100)];
      const bytes = strings(all, littleEndian);
      const walk = {
        bytes: bytes.subarray(0, bytes.byteLength - cut),
        start: 3,
        count: all.length,
        limit: 500 + limit,
        littleEndian,
      };
      expect(skipStrings(walk)).toEqual(reference.skipStrings(walk));
    }),
    { numRuns: 30 },
  );
});

it("walks over strings that are longer than the kernel's memory", () => {
  const bytes = strings([...many(4), 2 * TILE_BYTE_LENGTH + 5, TILE_BYTE_LENGTH - 8, ...many(4)]);
  const walk = { bytes, start: 3, count: 10_002, limit: 2 ** 24, littleEndian: true };
  expect(skipStrings(walk)).toEqual({ end: bytes.byteLength, skipped: 10_002 });
});

it("stops before a length that no file has", () => {
  const bytes = strings(many(4));
  const view = new DataView(bytes.buffer);
  const { end } = reference.skipStrings({ bytes, start: 3, count: 4500, limit: 2 ** 24, littleEndian: true });
  for (const length of [2n ** 32n, 2n ** 63n, 2n ** 64n - 1n, 2n ** 31n + 1n]) {
    view.setBigUint64(end, length, true);
    const walk = { bytes, start: 3, count: 5000, limit: 2 ** 40, littleEndian: true };
    expect(skipStrings(walk)).toEqual({ end, skipped: 4500 });
    uninstallKernels();
    expect(skipStrings(walk)).toEqual({ end, skipped: 4500 });
    installKernels();
  }
});
