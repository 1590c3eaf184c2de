/**
 * Counts and lengths that the file cannot hold. Shapes of CVE-2024-21825, -21836, -23496, -23605, -25664 to -25668
 * (products that wrap a 64-bit size): nothing may be allocated, and time may not follow the number.
 */
import { describe, expect, it } from "vitest";
import { Bytes, pairs, refusal, types } from "./build.ts";

const HUGE = [
  2n ** 31n,
  2n ** 32n + 5n,
  2n ** 53n + 1n,
  2n ** 60n + 1n,
  2n ** 61n,
  2n ** 63n,
  2n ** 64n - 1n,
];

describe("a count or length beyond the file", () => {
  it.each(HUGE)("%i", (huge) => {
    const array = (elementType: number): Uint8Array =>
      pairs((bytes) => bytes.text("k").u32(types.array).u32(elementType).u64(huge).u64(0));
    const start = performance.now();
    const files = [
      new Bytes().magic().counts(huge, 0).done(),
      new Bytes().magic().counts(0, huge).done(),
      new Bytes().magic().counts(0, huge).text("k").u32(types.u8).raw(1).done(),
      pairs((bytes) => bytes.u64(huge).raw(97)),
      pairs((bytes) => bytes.text("k").u32(types.string).u64(huge).raw(97)),
      pairs((bytes) => bytes.text("k").u32(types.array).u32(types.string).u64(1).u64(huge)),
      pairs((bytes) => bytes.text("k").u32(types.array).u32(types.string).u64(3).text("a").u64(huge).zeros(16)),
      new Bytes(false)
        .magic()
        .counts(0, 1)
        .text("k")
        .u32(types.array)
        .u32(types.string)
        .u64(3)
        .text("a")
        .u64(huge)
        .zeros(16)
        .done(),
      pairs((bytes) => bytes.text("k").u32(types.array).u32(types.array).u64(1).u32(types.string).u64(huge)),
      ...Object.values(types).map(array),
      new Bytes().magic().counts(1, 0).u64(huge).raw(97).done(),
    ];
    for (const file of files) expect(refusal(file)).toMatch(/^FORMAT: /);
    expect(performance.now() - start).toBeLessThan(1000);
  });

  it("is compared with the limits where the file is large enough", () => {
    const fileByteLength = 2 ** 45;
    const sparse = (bytes: Uint8Array): string => refusal(bytes, { fileByteLength });
    expect(
      sparse(
        new Bytes()
          .magic()
          .counts(2 ** 30, 0)
          .done(),
      ),
    ).toContain("LIMIT: The number of tensors");
    expect(
      sparse(
        new Bytes()
          .magic()
          .counts(0, 2 ** 30)
          .done(),
      ),
    ).toContain("LIMIT: The number of key-value");
    expect(
      sparse(
        pairs((bytes) =>
          bytes
            .text("k")
            .u32(types.string)
            .u64(2 ** 30),
        ),
      ),
    ).toContain("LIMIT: The length");
    expect(
      sparse(
        pairs((bytes) =>
          bytes
            .text("k")
            .u32(types.array)
            .u32(types.u8)
            .u64(2 ** 30),
        ),
      ),
    ).toContain("LIMIT: The length of the array");
    expect(
      sparse(
        pairs((bytes) =>
          bytes
            .text("k")
            .u32(types.array)
            .u32(types.string)
            .u64(1)
            .u64(2 ** 30),
        ),
      ),
    ).toContain("LIMIT: The length of a string");
  });

  it("does not grow the header beyond its limit", () => {
    const file = pairs((bytes) => bytes.text("k").u32(types.array).u32(types.u64).u64(1000).zeros(8000));
    expect(refusal(file, { limits: { headerByteLength: 10_000 } })).toBe("accepted");
    expect(
      refusal(file.subarray(0, 100), { fileByteLength: file.byteLength, limits: { headerByteLength: 1000 } }),
    ).toBe("LIMIT: The header is longer than 1000 bytes, the limit set for headers.");
  });
});

describe("arrays inside arrays", () => {
  const nested = (depth: number): Uint8Array =>
    pairs((bytes) => {
      bytes.text("k").u32(types.array);
      for (let i = 1; i < depth; i++) bytes.u32(types.array).u64(1);
      bytes.u32(types.u8).u64(1).raw(7);
    });

  it("are read to the limit", () => {
    expect(refusal(nested(4))).toBe("accepted");
    expect(refusal(nested(5))).toBe('LIMIT: The depth of arrays in "k" is 5; the limit is 4.');
    expect(refusal(nested(100_000))).toContain("LIMIT: The depth of arrays");
  });

  it("cannot multiply without bound", () => {
    const file = pairs((bytes) => {
      bytes.text("k").u32(types.array).u32(types.array).u64(70_000);
      for (let i = 0; i < 70_000; i++) bytes.u32(types.u8).u64(0);
    });
    expect(refusal(file)).toBe("LIMIT: The number of arrays inside arrays is 70000; the limit is 65536.");
  });
});
