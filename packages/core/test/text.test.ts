/** Oracle: the promise of `CodecError` (lengths and characters), for texts made to break it; for JSON, JSON.parse. */
import { FormatError, jsonFaultPlace, shownUrl } from "@requant/core";
import { bounded, printable, quoted, withoutTrailing } from "@requant/core/text";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { jsonFault } from "../src/json-fault.ts";

/** Characters that no terminal should get: controls, bidirectional and invisible marks, lone surrogates. */
const UNSAFE = /[\p{Cc}\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]|\p{Surrogate}/u;

const hostile = fc
  .array(
    fc.oneof(
      fc.string({ unit: "binary" }),
      fc.constantFrom(
        "\u001b[2J",
        "\n",
        "\r\n",
        "\u202e",
        "\u200b",
        "\ud83d",
        "\ude00",
        "😀",
        "\u0000",
        " ",
        "a".repeat(300),
      ),
      fc.integer({ min: 1, max: 3000 }).map((length) => "é".repeat(length)),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(""));

describe("untrusted text", () => {
  test("is printable and bounded, and short plain text stays as it is", () => {
    fc.assert(
      fc.property(hostile, fc.integer({ min: 10, max: 400 }), (text, most) => {
        const shown = bounded(text, most);
        expect(shown.length).toBeLessThanOrEqual(most);
        expect(UNSAFE.test(shown)).toBe(false);
        expect(printable(shown)).toBe(shown);
        const quote = quoted(text, most);
        expect(quote.length).toBeLessThanOrEqual(most);
        expect(UNSAFE.test(quote)).toBe(false);
      }),
    );
    expect(bounded("blk.0.attn_q.weight")).toBe("blk.0.attn_q.weight");
    expect(quoted({ a: [1, "x"] })).toBe('{"a":[1,"x"]}');
    expect(quoted(undefined)).toBe("undefined");
  });

  test("both ends of a long text are kept", () => {
    expect(bounded(`${"a".repeat(1000)}${"z".repeat(1000)}`, 11)).toBe("aaaaa…zzzzz");
    expect(quoted("b".repeat(1000), 11)).toBe('"bbbb…bbbb"');
  });

  test("in errors: no word over 200 characters, no message over 2000, no character that controls a terminal", () => {
    fc.assert(
      fc.property(hostile, hostile, (name, hint) => {
        const error = new FormatError(`The tensor ${name} ends at 5, not at 6.`, { hint, tensor: name });
        expect(error.message.length).toBeLessThanOrEqual(2000);
        expect(error.hint?.length).toBeLessThanOrEqual(2000);
        for (const word of error.message.split(" ")) expect(word.length).toBeLessThanOrEqual(200);
        expect(UNSAFE.test(error.message) || UNSAFE.test(error.hint ?? "")).toBe(false);
        expect(error.message.startsWith("The tensor ")).toBe(true);
        expect(error.message.endsWith("ends at 5, not at 6.")).toBe(true);
        // data stays as found
        expect(error.tensor).toBe(name);
      }),
    );
  });

  test("two long names leave room for the rest of the message", () => {
    const { message } = new FormatError(`${"a".repeat(500_000)} is 5, but ${"b".repeat(500_000)} is 6.`);
    expect(message).toMatch(/^a+…a+ is 5, but b+…b+ is 6\.$/);
  });

  test("trailing characters are removed", () => {
    expect(withoutTrailing("a/b//\\/", "/\\")).toBe("a/b");
    expect(withoutTrailing("///", "/")).toBe("");
    expect(withoutTrailing("a", "/")).toBe("a");
  });
});

describe("the first fault of a JSON text", () => {
  test("does not exist in valid JSON", () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(jsonFault(text)).toBeUndefined();
      }),
    );
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        expect(jsonFault(JSON.stringify(value, null, 2))).toBeUndefined();
      }),
    );
  });

  test("exists exactly where JSON.parse refuses", () => {
    const pieces = fc.constantFrom(
      "{",
      "}",
      "[",
      "]",
      ",",
      ":",
      '"a"',
      '"',
      "\\",
      "1",
      "-",
      "0",
      ".5",
      "e3",
      "true",
      "nul",
      "null",
      " ",
      "\n",
      "\t",
      "\u0001",
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (parts) => {
        const text = parts.join("");
        let isJson = true;
        try {
          JSON.parse(text);
        } catch {
          isJson = false;
        }
        expect(jsonFault(text) === undefined).toBe(isJson);
      }),
      { numRuns: 5000 },
    );
  });

  test.each([
    ["root:x:0:0", "line 1, column 1"],
    ['{\n  "a": 1,\n  b\n}', "line 3, column 3"],
    ["[1, 2", "line 1, column 6"],
    ["{} x", "line 1, column 4"],
    ['"a\nb"', "line 1, column 3"],
  ])("%j at %s", (text, place) => {
    expect(jsonFaultPlace(text)).toBe(place);
  });
});

test.each([
  ["https://u:secret@host/a?sig=secret", "https://host/a?…"],
  ["https://u:secret@ho st/a?sig=secret", "https://ho st/a?…"],
  ["https://[bad/a#secret", "https://[bad/a?…"],
  ["not a url", "not a url"],
])("%s is shown as %s", (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});
