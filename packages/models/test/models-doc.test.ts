import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { modelsDocument } from "../../../scripts/models-doc.ts";

test("docs/models.md equals the tables (pnpm run models-table writes it)", () => {
  expect(readFileSync(new URL("../../../docs/models.md", import.meta.url), "utf8")).toBe(modelsDocument());
});
