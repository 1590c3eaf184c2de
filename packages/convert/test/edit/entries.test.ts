import type { MetadataValue } from "@requant/core";
import { describe, expect, it } from "vitest";
import { metadataEntries, metadataText } from "../../src/edit/entries.ts";

const numbers = (elementType: "f32" | "i32", value: number[]): MetadataValue => ({
  type: "array",
  elementType,
  length: value.length,
  value,
});

describe("metadataEntries", () => {
  it.each<[what: string, value: MetadataValue, json: unknown]>([
    ["a number", { type: "u32", value: 7 }, 7],
    ["a bool", { type: "bool", value: false }, false],
    ["a string", { type: "string", value: "7" }, "7"],
    ["a float, as it is stored", { type: "f32", value: Math.fround(0.1) }, 0.10000000149011612],
    ["the last safe integer", { type: "u64", value: 9007199254740991n }, 9007199254740991],
    ["the first that is not", { type: "u64", value: 9007199254740993n }, "9007199254740993"],
    ["a large negative one", { type: "i64", value: -(2n ** 63n) }, "-9223372036854775808"],
    ["NaN", { type: "f32", value: Number.NaN }, "NaN"],
    ["an infinity", { type: "f64", value: Number.NEGATIVE_INFINITY }, "-Infinity"],
    ["minus zero", { type: "f64", value: -0 }, "-0"],
    ["an array", numbers("f32", [1, Number.NaN, 0.5]), [1, "NaN", 0.5]],
    [
      "an array of arrays",
      {
        type: "array",
        elementType: "array",
        length: 1,
        value: [{ type: "array", elementType: "i32", length: 1, value: [3] }],
      },
      [[3]],
    ],
  ])("%s", (_what, value, json) => {
    const [entry] = metadataEntries(new Map([["k", value]]));
    expect(entry?.value).toEqual(json);
    // what JSON lacks is spelled: nothing changes on the way
    expect(JSON.parse(JSON.stringify(entry?.value))).toEqual(json);
  });

  it("cuts an array of more than 256 elements by name, unless it is to be whole", () => {
    const value = Array.from({ length: 257 }, (_, i) => i);
    const of = (count: number): Map<string, MetadataValue> =>
      new Map([["k", numbers("i32", value.slice(0, count))]]);
    expect(metadataEntries(of(256))).toEqual([
      { key: "k", type: "array[i32]", length: 256, value: value.slice(0, 256) },
    ]);
    expect(metadataEntries(of(257))).toEqual([
      { key: "k", type: "array[i32]", length: 257, value: { length: 257, first: [0, 1, 2, 3, 4, 5, 6, 7] } },
    ]);
    expect(metadataEntries(of(257), { longestArray: Number.POSITIVE_INFINITY })[0]?.value).toEqual(value);
  });
});

describe("metadataText", () => {
  // the shortest decimals of these f32, as Python's numpy prints them: np.float32(1e-5), …
  it.each([
    [1e-5, "0.00001"],
    [0.1, "0.1"],
    [16777216, "16777216"],
    [3.4028234663852886e38, "3.4028235e+38"],
    [1 / 3, "0.33333334"],
  ])("%d as f32 is %s", (value, text) => {
    expect(metadataText({ type: "f32", value: Math.fround(value) })).toBe(text);
  });
});
