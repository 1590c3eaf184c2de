import type { MetadataValue } from "@requant/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseMetadataAssignment } from "../../src/edit/assignment.ts";
import { withChanges } from "../../src/edit/changes.ts";
import { metadataLines } from "../../src/edit/entries.ts";
import { jsonMetadataSchema, metadataFromJson, metadataToJson } from "../../src/plan/metadata-json.ts";

describe("parseMetadataAssignment", () => {
  it.each([
    ["general.name=string:A = b: c", ["general.name", { type: "string", value: "A = b: c" }]],
    ["a.b=u32:8192", ["a.b", { type: "u32", value: 8192 }]],
    ["a=i64:-9223372036854775808", ["a", { type: "i64", value: -9223372036854775808n }]],
    ["a=u64:18446744073709551615", ["a", { type: "u64", value: 18446744073709551615n }]],
    ["a=f32:0.1", ["a", { type: "f32", value: Math.fround(0.1) }]],
    ["a=float:1e-5", ["a", { type: "f32", value: Math.fround(1e-5) }]],
    ["a=bool:true", ["a", { type: "bool", value: true }]],
    ["a=i32[]:[1,-2]", ["a", { type: "array", elementType: "i32", length: 2, value: [1, -2] }]],
    ['a=string[]:["x","y"]', ["a", { type: "array", elementType: "string", length: 2, value: ["x", "y"] }]],
  ])("%s", (text, expected) => expect(parseMetadataAssignment(text)).toEqual(expected));

  it.each([
    "general.name",
    "=u32:1",
    "a=u32",
    "a=nothing:1",
    "a=u8:256",
    "a=u8:-1",
    "a=u8:1.5",
    "a=bool:yes",
    "a=f32:",
    "a=f32:abc",
    "a=i32[]:1,2",
    "a=i32[]:{}",
  ])("refuses %s", (text) =>
    expect(() => parseMetadataAssignment(text)).toThrow(expect.objectContaining({ code: "USAGE" })),
  );
});

const metadata = new Map<string, MetadataValue>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["x.scores", { type: "array", elementType: "f32", length: 3, value: Float32Array.of(1, 2, 3) }],
]);

describe("withChanges", () => {
  it("keeps the place of a key that is set again and appends new ones", () => {
    const changed = withChanges(metadata, {
      set: new Map<string, MetadataValue>([
        ["new", { type: "bool", value: true }],
        ["general.architecture", { type: "string", value: "qwen2" }],
      ]),
    });
    expect([...changed.keys()]).toEqual(["general.architecture", "x.scores", "new"]);
    expect(changed.get("general.architecture")).toEqual({ type: "string", value: "qwen2" });
  });

  it("removes keys, and refuses to remove what is not there", () => {
    expect([...withChanges(metadata, { unset: ["x.scores"] }).keys()]).toEqual(["general.architecture"]);
    expect(() => withChanges(metadata, { unset: ["nope"] })).toThrow(
      expect.objectContaining({ code: "USAGE" }),
    );
  });
});

describe("metadataLines", () => {
  it("names types and cuts arrays", () => {
    expect(metadataLines(metadata, 2)).toEqual([
      { key: "general.architecture", type: "string", value: "llama" },
      { key: "x.scores", type: "array[f32]", length: 3, value: "[1, 2, …]" },
    ]);
  });
});

describe("metadata as JSON", () => {
  const number = fc.oneof(fc.float(), fc.constantFrom(Number.NaN, -0, Infinity, -Infinity));
  const scalar = fc.oneof(
    fc.record({ type: fc.constantFrom("f32" as const, "f64" as const), value: number }),
    fc.record({ type: fc.constantFrom("u64" as const), value: fc.bigInt(0n, 2n ** 64n - 1n) }),
    fc.record({ type: fc.constantFrom("i64" as const), value: fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n) }),
    fc.record({ type: fc.constant("bool" as const), value: fc.boolean() }),
    fc.record({ type: fc.constant("string" as const), value: fc.string({ unit: "binary" }) }),
    fc.record({ type: fc.constant("i32" as const), value: fc.integer() }),
  );
  const array = fc.oneof(
    fc
      .array(number)
      .map((value): MetadataValue => ({ type: "array", elementType: "f32", length: value.length, value })),
    fc
      .array(fc.bigInt(0n, 2n ** 64n - 1n))
      .map((value): MetadataValue => ({ type: "array", elementType: "u64", length: value.length, value })),
    fc
      .array(fc.string())
      .map((value): MetadataValue => ({ type: "array", elementType: "string", length: value.length, value })),
    fc
      .array(fc.boolean())
      .map((value): MetadataValue => ({ type: "array", elementType: "bool", length: value.length, value })),
    fc.array(fc.integer()).map(
      (value): MetadataValue => ({
        type: "array",
        elementType: "array",
        length: 1,
        value: [{ type: "array", elementType: "i32", length: value.length, value }],
      }),
    ),
  );

  it("comes back as it went, through a JSON text", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.string(), fc.oneof(scalar, array))), (entries) => {
        const before = new Map<string, MetadataValue>(entries);
        const text = JSON.stringify(metadataToJson(before));
        expect(metadataFromJson(jsonMetadataSchema.parse(JSON.parse(text)))).toEqual(before);
      }),
    );
  });
});
