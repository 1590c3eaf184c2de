/** `KEY=VALUE` and `KEY=TYPE:VALUE`: which type, which value, and why not. */
import type { MetadataValue } from "@requant/core";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { tinyMetadata } from "../../../../fixtures/tiny-gguf.ts";
import { parseMetadataAssignment } from "../../src/edit/assignment.ts";

const usage = (message: RegExp, hint?: RegExp): unknown =>
  expect.objectContaining({
    code: "USAGE",
    message: expect.stringMatching(message),
    ...(hint === undefined ? {} : { hint: expect.stringMatching(hint) }),
  });

describe("an assignment without a type", () => {
  it.each<[text: string, value: MetadataValue]>([
    // of the key in the file
    ["general.name=My model: v2", { type: "string", value: "My model: v2" }],
    ["llama.block_count=2", { type: "u32", value: 2 }],
    ["llama.attention.layer_norm_rms_epsilon=0.5", { type: "f32", value: 0.5 }],
    ['general.tags=["a", "b"]', { type: "array", elementType: "string", length: 2, value: ["a", "b"] }],
    ["tokenizer.ggml.token_type=[1]", { type: "array", elementType: "i32", length: 1, value: [1] }],
    // of a key that is well known
    ["general.url=https://example.org/a=b", { type: "string", value: "https://example.org/a=b" }],
    ["llama.rope.freq_base=10000", { type: "f32", value: 10000 }],
    ["tokenizer.ggml.add_bos_token=true", { type: "bool", value: true }],
    ["tokenizer.ggml.eot_token_id=5", { type: "u32", value: 5 }],
    ["tokenizer.chat_template.tool_use=x", { type: "string", value: "x" }],
    ["split.no=0", { type: "u16", value: 0 }],
  ])("%s", (text, value) => {
    expect(parseMetadataAssignment(text, tinyMetadata)[1]).toEqual(value);
  });

  it("of a type changes the type of a key that is there", () => {
    expect(parseMetadataAssignment("llama.block_count=u64:2", tinyMetadata)).toEqual([
      "llama.block_count",
      { type: "u64", value: 2n },
    ]);
  });

  it.each([
    ["my.key=5", /my\.key is a new key, and nothing is known about its type/, /my\.key=u32:5/],
    ["my.key=true", /new key/, /my\.key=bool:true/],
    ["my.key=0.5", /new key/, /my\.key=f32:0\.5/],
    ["my.key=word", /new key/, /my\.key=string:word/],
    ['my.key=["a"]', /new key/, /my\.key=string\[\]:\["a"\]/],
    ["general.tags=a", /general\.tags: the text is not JSON/, /\["a", "b"\]/],
    ['general.tags="a"', /"a" is not a JSON array, and the type is string\[\]/, /\["a", "b"\]/],
    ["llama.block_count=two", /"two" is not an integer, and the type is u32/, /digits/],
    ["no assignment", /"no assignment" is not an assignment/, /KEY=TYPE:VALUE/],
  ])("refuses %s", (text, message, hint) => {
    expect(() => parseMetadataAssignment(text, tinyMetadata)).toThrow(usage(message, hint));
  });
});

describe("integers", () => {
  // https://en.wikipedia.org/wiki/Double-precision_floating-point_format: 2^53 + 1 is the first that a double cannot hold
  it("are exact beyond 2^53, in arrays too", () => {
    expect(parseMetadataAssignment("k=u64[]:[9007199254740993, 1,18446744073709551615]")[1]).toEqual({
      type: "array",
      elementType: "u64",
      length: 3,
      value: [9007199254740993n, 1n, 18446744073709551615n],
    });
    expect(parseMetadataAssignment('k=i64[]:["-9007199254740993",\n-9007199254740993 ]')[1]).toMatchObject({
      value: [-9007199254740993n, -9007199254740993n],
    });
  });

  it("of any array come back as they are written", () => {
    fc.assert(
      fc.property(
        fc.array(fc.bigInt(0n, 2n ** 64n - 1n)),
        fc.constantFrom(",", " , ", ",\n\t"),
        (values, comma) => {
          const [, value] = parseMetadataAssignment(`k=u64[]:[${values.join(comma)}]`);
          expect(value.value).toEqual(values);
        },
      ),
    );
  });

  it.each([
    ["k=u8[]:[0,256]", /k, element 1: 256 does not fit u8/, /Allowed are 0 to 255\./],
    ["k=u64:18446744073709551616", /18446744073709551616 does not fit u64/, /to 18446744073709551615/],
    ["k=i8:-129", /-129 does not fit i8/, /-128 to 127/],
    ["k=u32[]:[1.5]", /element 0: "1\.5" is not an integer/, /digits/],
    ["k=u32[]:[1e3]", /element 0: "1e3" is not an integer/, /digits/],
    ["k=u32[]:[true]", /element 0 is the boolean true/, /u32\[\] holds numbers/],
    ["k=u32[]:[null]", /element 0 is null/, /holds numbers/],
    ["k=u32[]:[[1]]", /element 0 is an array/, /holds numbers/],
    [`k=u32:${"9".repeat(2000)}`, /does not fit u32/, /4294967295/],
  ])("refuses %.40s", (text, message, hint) => {
    expect(() => parseMetadataAssignment(text)).toThrow(usage(message, hint));
  });
});

describe("floats", () => {
  it("without digits have one spelling, which is a string in an array", () => {
    expect(parseMetadataAssignment("k=f32:NaN")[1]).toEqual({ type: "f32", value: Number.NaN });
    expect(parseMetadataAssignment('k=f64[]:["NaN", "-Infinity", 1.5, "0.25"]')[1]).toMatchObject({
      value: [Number.NaN, Number.NEGATIVE_INFINITY, 1.5, 0.25],
    });
  });

  it.each([
    ["k=f32[]:[NaN]", /not JSON/, /write "NaN", "Infinity", "-Infinity" as strings/],
    ["k=f32[]:[1e39]", /element 0: 1e39 is too large for f32/, /3\.4028234663852886e\+38/],
    ["k=f64[]:[1e400]", /1e400 is too large for f64/, /1\.7976931348623157e\+308/],
    ["k=f32:1e-60", /1e-60 is too small for f32/, /round to zero/],
    ["k=f32:", /"" is not a number/, /0\.5/],
    ["k=f32:0x10", /"0x10" is not a number/, /0\.5/],
    ["k=f32:inf", /"inf" is not a number/, /Infinity/],
  ])("refuses %s", (text, message, hint) => {
    expect(() => parseMetadataAssignment(text)).toThrow(usage(message, hint));
  });
});

describe("arrays of strings and bools", () => {
  it.each([
    ['k=string[]:["a", {"b": 1}]', /element 1 is the object \{"b":1\}/, /string\[\] holds strings/],
    ["k=string[]:[1]", /element 0 is the number 1/, /holds strings/],
    ["k=bool[]:[1]", /element 0 is the number 1/, /holds true and false/],
    ['k=bool[]:["true"]', /element 0 is the string "true"/, /holds true and false/],
  ])("refuses %s", (text, message, hint) => {
    expect(() => parseMetadataAssignment(text)).toThrow(usage(message, hint));
  });

  it.each(["string[]", "str[]", "array[string]"])("%s is a type of theirs", (type) => {
    expect(parseMetadataAssignment(`k=${type}:["a,b", "[1]"]`)[1]).toEqual({
      type: "array",
      elementType: "string",
      length: 2,
      value: ["a,b", "[1]"],
    });
  });
});
