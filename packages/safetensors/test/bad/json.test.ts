/** Header texts that are not the JSON of the format. */
import { describe, expect, it } from "vitest";
import { file, one, refusal } from "./build.ts";

describe("header text", () => {
  it.each([
    ["not JSON", "{nonsense}", "FORMAT: The header is not valid JSON: the first fault is at line 1, column 2."],
    ["cut off", '{"a":{"dtype":"F32"', "FORMAT: The header is not valid JSON: the first fault is at line 1, column 20."],
    ["an array", "[]", 'FORMAT: The header does not begin with "{".'],
    ["a leading space", ` ${one({})}`, 'FORMAT: The header does not begin with "{".'],
    ["a byte-order mark", `\ufeff${one({})}`, 'FORMAT: The header does not begin with "{".'],
    ["NUL padding", `${one({})}\0\0`, "FORMAT: The header holds NUL bytes."],
    [
      "a tensor twice",
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      "FORMAT: The header has a key twice.",
    ],
    [
      "a field twice",
      '{"a":{"dtype":"U8","dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      "FORMAT: The header has a key twice.",
    ],
    [
      "a key twice in two spellings",
      '{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\\u0061":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}',
      "FORMAT: The header has a key twice.",
    ],
    ["__metadata__ null", '{"__metadata__":null}', "FORMAT: __metadata__ is not an object."],
    ["__metadata__ with a number", '{"__metadata__":{"a":1}}', "FORMAT: __metadata__ may only hold strings"],
    ["a tensor that is null", '{"a":null}', "FORMAT: The tensor's header is wrong at its entry"],
  ])("%s", (_, header, message) => {
    expect(refusal(file(header, 8))).toContain(message);
  });

  it("is refused before it is built when it nests deeply", () => {
    const deep = `{"a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`;
    expect(refusal(file(deep))).toBe("LIMIT: The header nests deeper than 3 levels.");
  });

  it("is strict UTF-8", () => {
    const bytes = file('{"a?":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}');
    bytes[8 + 3] = 0xff;
    expect(refusal(bytes)).toBe("FORMAT: The header is not valid UTF-8.");
  });
});
