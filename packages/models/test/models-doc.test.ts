import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { modelsDocument } from "../../../scripts/models-doc.ts";
import { architectures } from "../src/index.ts";

test("docs/models.md equals the tables (pnpm run models-table writes it)", () => {
  expect(readFileSync(new URL("../../../docs/models.md", import.meta.url), "utf8")).toBe(modelsDocument());
});

test("README.md names as many families as the table has", () => {
  const text = readFileSync(new URL("../README.md", import.meta.url), "utf8");
  const named = [...text.matchAll(/(\d+) (?:model )?families\b/g)].map(([, count]) => Number(count));
  expect(named).toEqual([architectures.length]);
});
