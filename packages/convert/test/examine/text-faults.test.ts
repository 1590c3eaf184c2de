/** Faults of a vocabulary from its bytes. Oracle: the same question asked of strings. */
import type { Metadata, MetadataArray } from "@requant/core";
import { layoutGguf, parseGguf, storedElements } from "@requant/gguf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StoredTexts, TextTable } from "../../src/examine/doctor/stored-texts.ts";
import { type Texts, textAt, textFaults } from "../../src/examine/doctor/text-faults.ts";

function textsOf(value: readonly string[]): Texts {
  return { type: "array", elementType: "string", length: value.length, value };
}

/** As a file has them. */
function storedOf(value: readonly string[], littleEndian: boolean): Texts {
  const metadata: Metadata = new Map<string, MetadataArray>([["t", textsOf(value)]]);
  const read = parseGguf(layoutGguf({ metadata, tensors: [], littleEndian }).header).metadata.get("t");
  if (read?.type !== "array" || read.elementType !== "string") throw new Error("no strings");
  return read;
}

function tableOf(texts: Texts): TextTable | undefined {
  const stored = storedElements(texts);
  if (stored === undefined) throw new Error("not stored");
  return TextTable.of(new StoredTexts(stored, texts.length));
}

// few letters, so that texts meet: a space, letters of two and four bytes, and bytes that are no UTF-8
const letter = fc.constantFrom("a", "b", " ", "é", "🙂", "\udcc3", "\udca9");
const word = fc.array(letter, { maxLength: 3 }).map((letters) => letters.join(""));

describe("the faults of stored texts", () => {
  it("are those of the strings", () => {
    fc.assert(
      fc.property(
        fc.array(word, { maxLength: 30 }),
        fc.array(fc.tuple(word, word), { maxLength: 30 }),
        fc.boolean(),
        (given, pairs, littleEndian) => {
          const tokens = given.filter((text, i) => given.indexOf(text) === i || i % 5 === 0);
          const merges = pairs.map(([left, right], i) => (i % 6 === 0 ? left : `${left} ${right}`));
          // strings that bytes cannot be told from are none of a file
          const encodable = [tokens, merges].map((list) => storedOf(list, littleEndian).value);
          const [storedTokens = [], storedMerges = []] = encodable;
          expect(textFaults(storedOf(tokens, littleEndian), storedOf(merges, littleEndian))).toEqual(
            textFaults(textsOf(storedTokens), textsOf(storedMerges)),
          );
        },
      ),
    );
  });

  it("name the first unknown merges", () => {
    const tokens = storedOf(["a", "b", "ab"], true);
    const merges = storedOf(["a b", "b a", "a", "a c", "c a", "a b"], true);
    expect(textFaults(tokens, merges)).toEqual({
      twice: [],
      unknownCount: 4,
      firstUnknown: ["b a", "a", "a c"],
    });
    expect(textAt(tokens)(2)).toBe("ab");
  });

  it("need the strings where parts meet inside a character", () => {
    // the bytes of é, one in each part: together they are a text, the two strings together are not
    const [left, right] = ["\udcc3", "\udca9"];
    const tokens = storedOf([left, right, "é"], true);
    expect(tableOf(tokens)).toBeInstanceOf(TextTable);
    const faults = textFaults(tokens, storedOf([`${left} ${right}`], true));
    expect(faults).toEqual({ twice: [], unknownCount: 1, firstUnknown: [`${left} ${right}`] });
  });
});

it("does not look for long among texts with the same hash", () => {
  let texts = [""];
  let hash = 0x811c9dc5;
  for (let i = 0; i < 7; i++) {
    const [one, other, after] = sameHash(hash);
    texts = texts.flatMap((text) => [text + one, text + other]);
    hash = after;
  }
  const tokens = storedOf(texts, true);
  expect(tableOf(tokens)).toBeUndefined();
  expect(textFaults(tokens, undefined)).toEqual({ twice: [], unknownCount: 0, firstUnknown: [] });
});

/** Two texts after which FNV-1a is in the same state, and that state. */
function sameHash(start: number): [string, string, number] {
  const seen = new Map<number, string>();
  for (let n = 0; n < 2 ** 20; n++) {
    const text = (Math.imul(n, 0x9e3779b1) >>> 0).toString(36).padStart(7, "-");
    let hash = start;
    for (const letter of text) hash = Math.imul(hash ^ letter.charCodeAt(0), 0x01000193);
    const before = seen.get(hash);
    if (before !== undefined) return [before, text, hash];
    seen.set(hash, text);
  }
  throw new Error("no two texts have the same hash");
}
