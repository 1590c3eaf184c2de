import { describe, expect, it } from "vitest";
import { checksum } from "../src/checksum.ts";

function sumOf(bytes: Uint8Array): number {
  const sum = checksum();
  sum.update(bytes);
  return sum.digest();
}

/** The test buffer of xxHash's own sanity check (xxhsum_sanity_check.c): top bytes of a product chain modulo 2^64. */
function sanityBuffer(length: number): Uint8Array {
  let generator = 2654435761n;
  const prime = 11400714785074694797n;
  return Uint8Array.from({ length }, () => {
    const byte = Number((generator >> 56n) & 0xffn);
    generator = (generator * prime) & 0xffffffffffffffffn;
    return byte;
  });
}

describe("XXH32", () => {
  // values of xxHash 0.8's sanity check, seed 0, and of the well-known strings
  it.each([
    [0, 0x02cc5d05],
    [1, 0xcf65b03e],
    [14, 0x1208e7e2],
    [222, 0x5bd11dbd],
  ])("of the %d-byte sanity buffer", (length, expected) =>
    expect(sumOf(sanityBuffer(length))).toBe(expected),
  );

  it("of 'abc' and of a longer text", () => {
    expect(sumOf(new TextEncoder().encode("abc"))).toBe(0x32d153ff);
    expect(sumOf(new TextEncoder().encode("Nobody inspects the spammish repetition"))).toBe(0xe2293b2f);
  });

  it("does not depend on how the bytes are cut", () => {
    const bytes = sanityBuffer(1000);
    const whole = sumOf(bytes);
    for (const step of [1, 3, 7, 15, 16, 17, 64, 333]) {
      const sum = checksum();
      for (let start = 0; start < bytes.length; start += step)
        sum.update(bytes.subarray(start, start + step));
      expect(sum.digest()).toBe(whole);
    }
  });

  it("does not depend on alignment", () => {
    const bytes = sanityBuffer(257);
    const shifted = new Uint8Array(260);
    shifted.set(bytes, 3);
    expect(sumOf(shifted.subarray(3))).toBe(sumOf(bytes));
  });
});
