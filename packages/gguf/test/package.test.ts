import { readFileSync } from "node:fs";
import { expect, it } from "vitest";

const manifest: unknown = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"));

it("depends on core only, and ships one entry", () => {
  expect(manifest).toMatchObject({
    sideEffects: false,
    dependencies: { "@requant/core": expect.any(String) },
    files: ["dist", "README.md", "CHANGELOG.md", "LICENSE"],
  });
  expect(manifest).toHaveProperty(["exports", "."]);
});
