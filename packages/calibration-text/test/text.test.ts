/** What the text promises: its size, its variety, and a named source for each passage. */
import { readFileSync } from "node:fs";
import { calibrationText, type Passage, passages } from "@requant/calibration-text";
import { describe, expect, it } from "vitest";

const readme = readFileSync(new URL("../README.md", import.meta.url), "utf8");
const byteLength = (text: string): number => new TextEncoder().encode(text).length;

/** The values of one field that occur in a list of passages. */
const valuesOf = (list: readonly Passage[], field: "kind" | "language"): Set<string> =>
  new Set(list.map((passage) => passage[field]));

describe("the text", () => {
  it("has between 60 and 100 kB in UTF-8", () => {
    expect(byteLength(calibrationText)).toBeGreaterThan(60_000);
    expect(byteLength(calibrationText)).toBeLessThan(100_000);
  });

  it("consists of the passages, with an empty line between them", () => {
    let rest = calibrationText;
    for (const [index, { name, text }] of passages.entries()) {
      const expected = index === 0 ? text : `\n\n${text}`;
      expect(rest.startsWith(expected), name).toBe(true);
      rest = rest.slice(expected.length);
    }
    expect(rest).toBe("");
  });

  it("is normalised Unicode (NFC) without lone surrogates or control characters", () => {
    const faulty = passages.filter(
      ({ text }) =>
        text !== text.normalize("NFC") || /\p{Surrogate}|(?![\n\t])\p{Control}|\uFFFD/u.test(text),
    );
    expect(faulty.map(({ name }) => name)).toEqual([]);
  });

  it("has no line of more than 2,000 characters", () => {
    const lengths = calibrationText.split("\n").map((line) => line.length);
    expect(lengths.filter((length) => length > 2_000)).toEqual([]);
  });

  it("has no text and no long line twice", () => {
    const lines = calibrationText.split("\n").filter((line) => line.length > 60);
    expect(lines.filter((line, index) => lines.indexOf(line) !== index)).toEqual([]);
    expect(new Set(passages.map(({ text }) => text)).size).toBe(passages.length);
    expect(new Set(passages.map(({ name }) => name)).size).toBe(passages.length);
  });
});

describe("variety", () => {
  it.each(
    "English German French Spanish Italian Portuguese Russian Chinese Japanese Korean Arabic Hindi".split(
      " ",
    ),
  )("has at least two passages in %s", (language) => {
    const found = passages.filter((passage) => passage.language === language);
    expect(found.length).toBeGreaterThanOrEqual(2);
  });

  it.each("Python TypeScript JavaScript C C++ Rust Go Java SQL Bash HTML JSON YAML LaTeX".split(" "))(
    "has a passage in %s",
    (language) => {
      expect(valuesOf(passages, "language")).toContain(language);
    },
  );

  it("has every kind in each quarter of the passages, and half as many languages as passages", () => {
    const kinds = [...valuesOf(passages, "kind")].sort();
    expect(kinds).toEqual(["code", "data", "dialogue", "list", "mathematics", "prose", "table", "verse"]);
    const quarter = Math.ceil(passages.length / 4);
    for (let start = 0; start < passages.length; start += quarter) {
      const part = passages.slice(start, start + quarter);
      expect([...valuesOf(part, "kind")].sort()).toEqual(kinds);
      expect(valuesOf(part, "language").size).toBeGreaterThanOrEqual(quarter / 2);
    }
  });

  it("begins with many languages: ten in the first 10,000 bytes", () => {
    const first: Passage[] = [];
    let bytes = 0;
    for (const passage of passages) {
      bytes += byteLength(passage.text) + 2;
      if (bytes > 10_000) break;
      first.push(passage);
    }
    expect(valuesOf(first, "language").size).toBeGreaterThanOrEqual(10);
    expect(valuesOf(first, "kind").size).toBeGreaterThanOrEqual(5);
  });
});

describe("sources", () => {
  it("are named for each passage, and the README lists all of them", () => {
    const rows = readme.split("\n").filter((line) => /^\| \d/.test(line));
    expect(rows).toEqual(
      passages.map(
        ({ name, kind, language, source }, index) =>
          `| ${index + 1} | ${name} | ${kind} | ${language} | ${source} |`,
      ),
    );
  });

  it("are this package, or an author and a work", () => {
    const unclear = passages.filter(
      ({ source }) => source !== "written for this package" && !/^.{4,}[,(] ?.{3,}$/u.test(source),
    );
    expect(unclear).toEqual([]);
  });
});
