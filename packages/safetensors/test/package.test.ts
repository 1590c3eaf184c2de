import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { z } from "zod";

const manifest = z
  .object({
    sideEffects: z.literal(false),
    dependencies: z.record(z.string(), z.string()),
    exports: z.record(z.string(), z.unknown()),
    files: z.array(z.string()),
  })
  .parse(JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")));

it("depends on core and zod only, and ships one entry", () => {
  expect(Object.keys(manifest.dependencies)).toEqual(["@requant/core", "zod"]);
  expect(Object.keys(manifest.exports)).toEqual([".", "./package.json"]);
  expect(manifest.files).toEqual(["dist", "README.md", "LICENSE"]);
});
