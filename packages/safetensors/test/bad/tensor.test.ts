/** Tensors with impossible dtypes, shapes and offsets. */
import { describe, expect, it } from "vitest";
import { file, one, refusal } from "./build.ts";

const pair = (a: readonly [number, number], b: readonly [number, number]): string =>
  JSON.stringify({
    a: { dtype: "U8", shape: [a[1] - a[0]], data_offsets: a },
    b: { dtype: "U8", shape: [b[1] - b[0]], data_offsets: b },
  });

describe("a tensor", () => {
  it.each([
    ["an unknown dtype", one({ dtype: "F24" }), 'UNSUPPORTED: "F24" is not a dtype'],
    [
      "a dtype from the prototype",
      one({ dtype: "constructor" }),
      'UNSUPPORTED: "constructor" is not a dtype',
    ],
    ["a dtype that is no string", one({ dtype: 0 }), "FORMAT: The tensor's header is wrong at dtype"],
    ["a shape that is no list", one({ shape: "2" }), "FORMAT: The tensor's header is wrong at shape"],
    ["a negative size", one({ shape: [-2] }), "FORMAT: The tensor's header is wrong at shape.0"],
    ["a size of half", one({ shape: [0.5] }), "FORMAT: The tensor's header is wrong at shape.0"],
    [
      "a size above 2^53",
      '{"a":{"dtype":"U8","shape":[9007199254740993],"data_offsets":[0,8]}}',
      "FORMAT: The tensor's header is wrong at shape.0",
    ],
    [
      "sizes whose product wraps to 0",
      one({ shape: [2 ** 32, 2 ** 32], data_offsets: [0, 0] }),
      "FORMAT: A tensor of 4294967296 × 4294967296 elements is larger than any file.",
    ],
    [
      "sizes whose product hides behind a 0",
      one({ shape: [0, 2 ** 50, 2 ** 50], data_offsets: [0, 0] }),
      "FORMAT: A tensor of 0 × ",
    ],
    [
      "another length than its shape's",
      one({ shape: [3] }),
      "FORMAT: The tensor takes 8 bytes, but F32 of shape [3] takes 12.",
    ],
    [
      "half a byte",
      one({ dtype: "F4", shape: [3], data_offsets: [0, 2] }),
      "FORMAT: F4 of shape [3] does not fill whole bytes.",
    ],
    [
      "offsets of three numbers",
      one({ data_offsets: [0, 8, 8] }),
      "FORMAT: The tensor's header is wrong at data_offsets",
    ],
    [
      "a negative offset",
      one({ data_offsets: [-8, 0] }),
      "FORMAT: The tensor's header is wrong at data_offsets.0",
    ],
    [
      "an end before its start",
      one({ shape: [2], data_offsets: [8, 0] }),
      "FORMAT: The tensor ends at 0, before it starts at 8.",
    ],
    [
      "a start after the data's",
      one({ data_offsets: [8, 16] }),
      "FORMAT: The tensor starts at 8 of the data; the one before it ends at 0.",
    ],
    [
      "an end after the data's",
      one({ shape: [3], data_offsets: [0, 12] }),
      "FORMAT: The tensor ends at 12 of the data, which has 8 bytes.",
    ],
    [
      "a hole",
      pair([0, 2], [4, 8]),
      "FORMAT: The tensor starts at 4 of the data; the one before it ends at 2.",
    ],
    [
      "an overlap",
      pair([0, 6], [4, 8]),
      "FORMAT: The tensor starts at 4 of the data; the one before it ends at 6.",
    ],
    [
      "stray bytes after it",
      pair([0, 2], [2, 4]),
      "FORMAT: 4 bytes at the end of the file belong to no tensor.",
    ],
    [
      "too many dimensions",
      one({ shape: [...Array.from({ length: 64 }, () => 1), 2] }),
      "LIMIT: The tensor has 65 dimensions; the limit is 64.",
    ],
  ])("with %s", (_, header, message) => {
    expect(refusal(file(header, 8))).toContain(message);
  });

  it("may be called __proto__", () => {
    const header = '{"__proto__":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}';
    expect(refusal(file(header, 8))).toBe("accepted");
    expect(Object.hasOwn(Object.prototype, "dtype")).toBe(false);
  });
});
