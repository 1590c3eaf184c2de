import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { fileTypes } from "../src/recipes/index.ts";
import { ggmlTypes } from "../src/types/index.ts";

const page = readFileSync(new URL("../../../docs/types.md", import.meta.url), "utf8");
const [, types = "", plain = "", weighted = ""] = page.split(/^## /m);

/** First and last cell of each row. */
const rows = (section: string): [string, string][] =>
  section
    .split("\n")
    .filter((line) => line.startsWith("| ") && !/^\| (---|type|target) /.test(line))
    .map((line) => {
      const cells = line.split("|").map((cell) => cell.trim());
      return [cells[1] ?? "", cells.at(-2) ?? ""];
    });

describe("docs/types.md, as scripts/make-type-table.mjs wrote it", () => {
  const notWeights = ["I8", "I16", "I32", "I64", "F64", "Q8_1", "Q8_K"];

  test("has every type of weights", () => {
    const names = ggmlTypes.map(({ name }) => name).filter((name) => !notWeights.includes(name));
    expect(
      rows(types)
        .map(([name]) => name)
        .sort(),
    ).toEqual(names.sort());
  });

  test("has every target, and its bytes were llama-quantize's", () => {
    const offered = fileTypes.filter(({ name }) => name !== "COPY");
    const withoutMatrix = offered.filter(({ requiresImatrix }) => !requiresImatrix);
    expect(rows(plain)).toEqual(withoutMatrix.map(({ name }) => [name, "same"]));
    expect(rows(weighted)).toEqual(offered.map(({ name }) => [name, "same"]));
  });
});
