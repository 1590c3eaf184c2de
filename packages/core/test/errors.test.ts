import {
  CodecError,
  ConversionError,
  defaultLimits,
  elementCount,
  FormatError,
  IoError,
  isCodecError,
  LimitError,
  limitsWith,
  rowCount,
  rowLength,
  UnsupportedError,
  UsageError,
} from "@requant/core";
import { describe, expect, test } from "vitest";

describe("CodecError", () => {
  test.each([
    [FormatError, "FORMAT", "FormatError"],
    [LimitError, "LIMIT", "LimitError"],
    [UnsupportedError, "UNSUPPORTED", "UnsupportedError"],
    [IoError, "IO", "IoError"],
    [ConversionError, "CONVERSION", "ConversionError"],
    [UsageError, "USAGE", "UsageError"],
  ] as const)("%o", (Kind, code, name) => {
    const cause = new Error("inner");
    const error = new Kind("what", { hint: "do this", path: "a", tensor: "t", offset: 3, cause });
    expect(error).toBeInstanceOf(CodecError);
    expect(error).toMatchObject({
      name,
      code,
      message: "what",
      hint: "do this",
      path: "a",
      tensor: "t",
      offset: 3,
      cause,
    });
    expect("cause" in new Kind("alone")).toBe(false);
    expect(isCodecError(error)).toBe(true);
  });

  test("recognises the errors of another copy of the package, and no other errors", () => {
    const foreign = Object.assign(new Error("x"), { code: "FORMAT", hint: undefined });
    expect(isCodecError(foreign)).toBe(true);
    expect(isCodecError(Object.assign(new Error("x"), { code: "ENOENT" }))).toBe(false);
    expect(isCodecError("FORMAT")).toBe(false);
  });
});

test("limits are a value: changes keep the other defaults", () => {
  expect(limitsWith({ tensorCount: 5 })).toEqual({ ...defaultLimits, tensorCount: 5 });
  expect(limitsWith()).toEqual(defaultLimits);
});

test("shapes are row-major", () => {
  expect([elementCount([3, 4, 5]), rowCount([3, 4, 5]), rowLength([3, 4, 5])]).toEqual([60, 12, 5]);
  expect([elementCount([]), rowCount([]), rowLength([])]).toEqual([1, 1, 1]);
  expect([elementCount([7]), rowCount([7]), rowLength([7])]).toEqual([7, 1, 7]);
  expect(elementCount([3, 0])).toBe(0);
});
