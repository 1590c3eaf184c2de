/** The quick way through the table of tensors. Oracle: big-endian files, of which each entry takes the careful way. */
import { ByteWriter } from "@requant/core";
import fc from "fast-check";
import { expect, it } from "vitest";
import { parseGguf } from "../src/index.ts";

interface Entry {
  readonly name: Uint8Array;
  readonly sizes: readonly bigint[];
  readonly type: number;
  readonly offset: bigint;
}

const nameBytes = (text: string): Uint8Array => new TextEncoder().encode(text);

function file(entries: readonly Entry[], littleEndian: boolean, stray: number): Uint8Array {
  const writer = new ByteWriter({ littleEndian });
  writer.bytes(nameBytes("GGUF"));
  writer.u32(3);
  writer.u64(entries.length);
  writer.u64(0);
  for (const { name, sizes, type, offset } of entries) {
    writer.u64(name.byteLength);
    writer.bytes(name);
    writer.u32(sizes.length);
    for (const size of sizes) writer.i64(size);
    writer.u32(type);
    writer.u64(offset);
  }
  writer.alignTo(32);
  writer.bytes(new Uint8Array(stray));
  return writer.toBytes();
}

/** The tensors with what was found, or the refusal. */
function outcome(bytes: Uint8Array, limits: object): unknown {
  try {
    const { tensors, findings } = parseGguf(bytes, { limits, fileByteLength: 2 ** 40 });
    return { tensors, findings };
  } catch (error) {
    return String(error);
  }
}

const plain = fc.stringMatching(/^[ -~]{1,70}$/).map(nameBytes);
const names = fc.oneof(
  { arbitrary: plain, weight: 12 },
  { arbitrary: fc.string({ unit: "binary", maxLength: 20 }).map(nameBytes), weight: 1 },
  { arbitrary: fc.uint8Array({ maxLength: 9 }), weight: 1 },
  { arbitrary: fc.constantFrom("a", "a\0", "a\u007f", "é").map(nameBytes), weight: 2 },
);
const sizes = fc.oneof(
  { arbitrary: fc.constantFrom(1n, 32n, 256n, 4096n), weight: 20 },
  { arbitrary: fc.constantFrom(0n, 7n, 2n ** 31n, 2n ** 32n, 2n ** 40n, -1n, -(2n ** 63n)), weight: 1 },
);
const entry = fc.record({
  name: names,
  sizes: fc.oneof(
    { arbitrary: fc.array(sizes, { minLength: 1, maxLength: 4 }), weight: 12 },
    { arbitrary: fc.array(sizes, { maxLength: 6 }), weight: 1 },
  ),
  type: fc.oneof(
    { arbitrary: fc.constantFrom(0, 1, 2, 8, 12, 14, 40), weight: 20 },
    { arbitrary: fc.constantFrom(4, 36, 99, 138, 2 ** 32 - 1), weight: 1 },
  ),
  offset: fc.oneof(
    { arbitrary: fc.bigInt(0n, 2n ** 34n).map((value) => value * 32n), weight: 20 },
    { arbitrary: fc.constantFrom(1n, 2n ** 53n, 2n ** 64n - 32n), weight: 1 },
  ),
});

it("reads, reports and refuses what the careful way does", () => {
  const limits = fc.record(
    { dimensionCount: fc.nat(5), stringByteLength: fc.nat(80) },
    { requiredKeys: [], noNullPrototype: true },
  );
  let read = 0;
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 6 }), fc.nat(200), limits, (entries, stray, some) => {
      const found = outcome(file(entries, true, stray), some);
      expect(found).toEqual(outcome(file(entries, false, stray), some));
      if (typeof found === "object") read += 1;
    }),
    { numRuns: 2000 },
  );
  // not only refusals
  expect(read).toBeGreaterThan(200);
});

it("refuses entries that are cut off at any byte as the careful way does", () => {
  const entries = ["a", "b".repeat(63), "blk.0.weight"].map((name, i) => ({
    name: nameBytes(name),
    sizes: [32n, 2n],
    type: 0,
    offset: BigInt(256 * i),
  }));
  const whole = file(entries, true, 0);
  const other = file(entries, false, 0);
  for (let length = 24; length <= whole.byteLength; length++) {
    const cut = { limits: {}, fileByteLength: length };
    const refusal = (bytes: Uint8Array): unknown => {
      try {
        return parseGguf(bytes.subarray(0, length), cut).tensors;
      } catch (error) {
        return String(error);
      }
    };
    expect(refusal(whole)).toEqual(refusal(other));
  }
});
