/** Keys and values that the format does not allow. */
import { describe, expect, it } from "vitest";
import { type Bytes, pairs, refusal, types } from "./build.ts";

const u8 = (key: string) => (bytes: Bytes) => void bytes.text(key).u32(types.u8).raw(1);

describe("a key", () => {
  it.each([
    ["that occurs twice", pairs(u8("a"), u8("a")), 'FORMAT: The key "a" occurs twice.'],
    ["that is empty", pairs((bytes) => bytes.text("").u32(types.u64).u64(1)), "FORMAT: A key is empty."],
    ["with a NUL", pairs(u8("a\0b")), 'FORMAT: A key holds a NUL character: "a\\u0000b".'],
    [
      "that is not UTF-8",
      pairs((bytes) => bytes.u64(1).raw(0xff).u32(types.u8).raw(1)),
      "FORMAT: The 1 bytes of a key are not valid UTF-8.",
    ],
    [
      "of an unknown type",
      pairs((bytes) => bytes.text("a").u32(13).raw(1)),
      'FORMAT: The value type of "a" is 13; known are 0 to 12.',
    ],
    [
      "of an array of an unknown type",
      pairs((bytes) => bytes.text("a").u32(types.array).u32(99).u64(0)),
      'FORMAT: The element type of "a" is 99',
    ],
    [
      "of a boolean that is 7",
      pairs((bytes) => bytes.text("a").u32(types.bool).raw(7)),
      'FORMAT: The value of "a" is 7, not 0 or 1.',
    ],
    [
      "of an array with such a boolean",
      pairs((bytes) => bytes.text("a").u32(types.array).u32(types.bool).u64(2).raw(1, 2)),
      'FORMAT: A boolean in "a" is 2, not 0 or 1.',
    ],
  ])("%s is refused", (_, file, message) => {
    expect(refusal(file)).toContain(message);
  });

  it("may be called __proto__", () => {
    expect(refusal(pairs(u8("__proto__"), u8("__proto__.polluted")))).toBe("accepted");
    expect(Object.hasOwn(Object.prototype, "polluted")).toBe(false);
  });

  it("with text that is not UTF-8, or that has control characters, is reported", () => {
    expect(refusal(pairs((bytes) => bytes.text("a").u32(types.string).u64(2).raw(0xc3, 0x28)))).toBe(
      "accepted invalid-utf8",
    );
    expect(refusal(pairs((bytes) => bytes.text("a").u32(types.string).text("\u001b[2J")))).toBe(
      "accepted control-character",
    );
    expect(refusal(pairs((bytes) => bytes.text("a").u32(types.string).text("{%\r\n\t%}")))).toBe("accepted");
  });
});

describe("general.alignment", () => {
  it.each([
    ["0", types.u32, 0, "FORMAT: general.alignment is 0, not a power of two."],
    ["3", types.u32, 3, "FORMAT: general.alignment is 3, not a power of two."],
    ["of another type", types.i32, 32, "FORMAT: general.alignment is of type i32, not u32."],
  ])("%s is refused", (_, type, value, message) => {
    expect(refusal(pairs((bytes) => bytes.text("general.alignment").u32(type).u32(value)))).toBe(message);
  });

  it.each([1, 8, 2 ** 30])("%i is read", (value) => {
    expect(refusal(pairs((bytes) => bytes.text("general.alignment").u32(types.u32).u32(value)))).toBe(
      "accepted",
    );
  });
});
