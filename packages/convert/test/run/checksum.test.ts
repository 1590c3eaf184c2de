import { allocateKernelBuffer, installKernels, kernelAddress, uninstallKernels } from "@requant/core/kernels";
import { afterEach, describe, expect, it } from "vitest";
import * as reference from "../../src/run/checksum.ts";
import { checksum } from "../../src/run/checksum-twin.ts";

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

/** The same bytes in the memory of the kernels, which is where their twin works, at any alignment. */
function checksumThere(bytes: Uint8Array, shift = 0): string {
  const buffer = allocateKernelBuffer(Math.ceil((bytes.length + shift) / 4) * 4);
  const there = buffer.bytes(shift, shift + bytes.length);
  there.set(bytes);
  expect(kernelAddress(there)).toBeTypeOf("number");
  const sum = checksum(there);
  buffer.release();
  return sum;
}

afterEach(() => installKernels());

describe.each([
  ["in TypeScript", reference.checksum],
  ["by the kernel", checksumThere],
])("XXH64 %s", (_, sumOf: (bytes: Uint8Array) => string) => {
  // by xxh64sum 0.8.1
  it.each([
    [0, "ef46db3751d8e999"],
    [1, "e934a84adb052768"],
    [4, "9136a0dca57457ee"],
    [14, "8282dcc4994e35c8"],
    [31, "299b39a290e6d783"],
    [32, "18b216492bb44b70"],
    [33, "55c8dc3e578f5b59"],
    [63, "a9efbe0fa0f3f4e7"],
    [64, "ef558f8acac2b5cd"],
    [101, "a51ea2101b2d114c"],
    [222, "b641ae8cb691c174"],
    [1000, "52bd1358f22e9ef7"],
  ])("of the %d-byte sanity buffer", (length, expected) =>
    expect(sumOf(sanityBuffer(length))).toBe(expected),
  );

  it("of 'abc' and of a longer text", () => {
    expect(sumOf(new TextEncoder().encode("abc"))).toBe("44bc2cf5ad770999");
    expect(sumOf(new TextEncoder().encode("Nobody inspects the spammish repetition"))).toBe(
      "fbcea83c8a378bf1",
    );
  });
});

it("does not depend on alignment, or on where the bytes are", () => {
  const bytes = sanityBuffer(257);
  const shifted = new Uint8Array(260);
  shifted.set(bytes, 3);
  const wanted = reference.checksum(bytes);
  expect(checksum(shifted.subarray(3))).toBe(wanted);
  for (const shift of [1, 2, 3, 5]) expect(checksumThere(bytes, shift)).toBe(wanted);
  uninstallKernels();
  expect(checksum(bytes)).toBe(wanted);
});
