import { ByteReader, ByteWriter, FormatError, UsageError } from "@requant/core";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

/** Oracle for numbers: DataView. */
describe("ByteReader", () => {
  const bytes = Uint8Array.of(0xff, 0xfe, 0x01, 0x80, 0x00, 0x00, 0x80, 0x3f);
  test("reads every scalar in both byte orders, from a view with an offset", () => {
    const outer = new Uint8Array(12);
    outer.set(bytes, 3);
    const view = outer.subarray(3, 11);
    const little = (): ByteReader => new ByteReader(view);
    const big = (): ByteReader => new ByteReader(view, { littleEndian: false });
    expect(little().u8()).toBe(255);
    expect(little().i8()).toBe(-1);
    expect(little().u16()).toBe(0xfeff);
    expect(big().u16()).toBe(0xfffe);
    expect(little().i16()).toBe(-257);
    expect(big().i16()).toBe(-2);
    expect(little().u32()).toBe(0x8001feff);
    expect(big().u32()).toBe(0xfffe0180);
    expect(little().i32()).toBe(0x8001feff - 2 ** 32);
    expect(little().u64Bigint()).toBe(0x3f8000008001feffn);
    expect(big().i64Bigint()).toBe(-0x0001fe7fffff7fc1n);
    const tail = little();
    tail.skip(4);
    expect(tail.f32()).toBe(1);
    expect(new ByteReader(Uint8Array.of(0, 0, 0, 0, 0, 0, 0xf0, 0x3f)).f64()).toBe(1);
  });

  test("64-bit counts are numbers where safe, and refused with their place otherwise", () => {
    const writer = new ByteWriter();
    writer.u64(2 ** 53 - 1);
    writer.u64(2n ** 53n);
    writer.i64(-5);
    const reader = new ByteReader(writer.toBytes(), { base: 1000, path: "a.gguf" });
    expect(reader.u64()).toBe(2 ** 53 - 1);
    expect(() => reader.u64("tensor count")).toThrow(
      expect.objectContaining({
        code: "FORMAT",
        offset: 1008,
        path: "a.gguf",
        message: expect.stringContaining("tensor count is 9007199254740992"),
      }),
    );
    expect(reader.u64Bigint()).toBe(2n ** 53n);
    expect(reader.i64()).toBe(-5);
  });

  test("the end of the bytes: the field, what it needs, what is left, the file offset", () => {
    const reader = new ByteReader(bytes, { base: 100, path: "cut.gguf" });
    reader.skip(6);
    expect(() => reader.u32("n_dims")).toThrow(
      expect.objectContaining({
        code: "FORMAT",
        offset: 106,
        message: "The data ends too early: n_dims needs 4 bytes, 2 are left.",
      }),
    );
    // a failed read moves nothing
    expect(reader.offset).toBe(6);
    expect(reader.remaining).toBe(2);
    expect(reader.has(2)).toBe(true);
    expect(reader.has(3)).toBe(false);
  });

  test.each([-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60])("refuses a length of %d", (length) => {
    const reader = new ByteReader(bytes);
    expect(() => reader.take(length)).toThrow(FormatError);
    expect(() => reader.skip(length)).toThrow(FormatError);
    expect(() => reader.utf8(length)).toThrow(FormatError);
    expect(() => reader.seek(length)).toThrow(FormatError);
    expect(reader.offset).toBe(0);
  });

  test("booleans are 0 or 1", () => {
    const reader = new ByteReader(Uint8Array.of(0, 1, 2));
    expect(reader.bool()).toBe(false);
    expect(reader.bool()).toBe(true);
    expect(() => reader.bool("sym")).toThrow(
      expect.objectContaining({ offset: 2, message: "The value of sym is 2, not 0 or 1." }),
    );
  });

  test("alignment counts from the start of the file", () => {
    const reader = new ByteReader(new Uint8Array(64), { base: 30 });
    reader.alignTo(32);
    expect(reader.fileOffset).toBe(32);
    reader.alignTo(32);
    expect(reader.fileOffset).toBe(32);
  });

  test("UTF-8 is strict and keeps a byte-order mark", () => {
    const text = "\ufeffgrün 🦙\u0000";
    const encoded = new TextEncoder().encode(text);
    expect(new ByteReader(encoded).utf8(encoded.byteLength)).toBe(text);
    expect(() => new ByteReader(Uint8Array.of(0x61, 0xff)).utf8(2, "key")).toThrow(
      expect.objectContaining({
        code: "FORMAT",
        offset: 0,
        message: "The 2 bytes of key are not valid UTF-8.",
      }),
    );
  });
});

describe("ByteWriter", () => {
  test("property: written values are read back, in both byte orders", () => {
    const item = fc.oneof(
      fc.record({ type: fc.constant("u8" as const), value: fc.nat(0xff) }),
      fc.record({ type: fc.constant("i8" as const), value: fc.integer({ min: -128, max: 127 }) }),
      fc.record({ type: fc.constant("u16" as const), value: fc.nat(0xffff) }),
      fc.record({ type: fc.constant("i16" as const), value: fc.integer({ min: -0x8000, max: 0x7fff }) }),
      fc.record({ type: fc.constant("u32" as const), value: fc.nat(0xffffffff) }),
      fc.record({ type: fc.constant("i32" as const), value: fc.integer() }),
      fc.record({ type: fc.constant("u64" as const), value: fc.nat(Number.MAX_SAFE_INTEGER) }),
      fc.record({ type: fc.constant("i64" as const), value: fc.maxSafeInteger() }),
      fc.record({ type: fc.constant("f32" as const), value: fc.float() }),
      fc.record({ type: fc.constant("f64" as const), value: fc.double() }),
    );
    fc.assert(
      fc.property(fc.array(item, { maxLength: 100 }), fc.boolean(), (items, littleEndian) => {
        const writer = new ByteWriter({ littleEndian, capacity: 1 });
        for (const { type, value } of items) writer[type](value);
        const reader = new ByteReader(writer.toBytes(), { littleEndian });
        for (const { type, value } of items) expect(reader[type]()).toBe(value);
        expect(reader.remaining).toBe(0);
      }),
    );
  });

  test("refuses values that a type does not hold", () => {
    const writer = new ByteWriter();
    expect(() => writer.u8(256)).toThrow(UsageError);
    expect(() => writer.u8(-1)).toThrow(UsageError);
    expect(() => writer.i16(0x8000)).toThrow(UsageError);
    expect(() => writer.u32(1.5)).toThrow(UsageError);
    expect(() => writer.u64(-1)).toThrow(UsageError);
    expect(() => writer.u64(2 ** 53)).toThrow(UsageError);
    expect(() => writer.u64(2n ** 64n)).toThrow(UsageError);
    expect(() => writer.i64(2n ** 63n)).toThrow(UsageError);
    expect(writer.byteLength).toBe(0);
    writer.u64(2n ** 64n - 1n);
    expect(writer.byteLength).toBe(8);
  });

  test("text, padding and the bytes so far", () => {
    const writer = new ByteWriter({ capacity: 1 });
    expect(writer.utf8("é")).toBe(2);
    writer.bool(true);
    writer.alignTo(4);
    writer.alignTo(4);
    writer.bytes(Uint8Array.of(9));
    expect([...writer.toBytes()]).toEqual([0xc3, 0xa9, 1, 0, 9]);
  });
});
