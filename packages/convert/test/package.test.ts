import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { z } from "zod";

const root = new URL("..", import.meta.url).pathname;
const manifest = z
  .object({
    // a worker is nothing but its effect
    sideEffects: z.tuple([z.literal("./src/run/workers/*-worker.ts"), z.literal("./dist/*-worker.*")]),
    dependencies: z.record(z.string(), z.string()),
    exports: z.record(z.string(), z.unknown()),
    files: z.array(z.string()),
  })
  .parse(JSON.parse(readFileSync(join(root, "package.json"), "utf8")));

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(root, "src", path), "utf8") }));

it("depends on the packages of this workspace, zod and a hash, and ships its entries", () => {
  const foreign = Object.keys(manifest.dependencies).filter((name) => !name.startsWith("@requant/"));
  expect(foreign).toEqual(["@noble/hashes", "zod"]);
  expect(Object.keys(manifest.exports)).toEqual([".", "./node", "./web-worker", "./package.json"]);
  expect(manifest.files).toEqual(["dist", "README.md", "CHANGELOG.md", "LICENSE"]);
});

it("runs in a browser: node:* only in the workers", () => {
  const offenders = sources.filter(
    ({ path, text }) =>
      !path.startsWith("run/workers/") && /from "node:|\b(Buffer|process|require|__dirname)\b[.(]/.test(text),
  );
  expect(offenders.map(({ path }) => path)).toEqual([]);
});
