/**
 * The lint rule against arrays spread into calls, with the repository's own configuration. Oracle: Biome's report, line
 * by line.
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { z } from "zod";

const root = fileURLToPath(new URL("../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "requant-lint-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const configSchema = z.looseObject({
  overrides: z.array(
    z.looseObject({ includes: z.array(z.string()), plugins: z.array(z.string()).optional() }),
  ),
});

/** The repository's configuration, with an absolute path to the rule. */
function configuration(): object {
  const config = configSchema.parse(JSON.parse(readFileSync(join(root, "biome.json"), "utf8")));
  return {
    vcs: { enabled: false },
    linter: { rules: { preset: "none" } },
    overrides: config.overrides.map(({ plugins, ...override }) => ({
      ...override,
      ...(plugins === undefined ? {} : { plugins: plugins.map((path) => join(root, path)) }),
    })),
  };
}

const reportSchema = z.object({
  diagnostics: z.array(
    z.object({
      category: z.string(),
      location: z.object({ path: z.string(), start: z.object({ line: z.number() }) }),
    }),
  ),
});

/** Lines of a file that the rule reports. */
function reportedLines(path: string, lines: readonly string[]): number[] {
  const file = join(folder, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${lines.join("\n")}\n`);
  writeFileSync(join(folder, "biome.json"), JSON.stringify(configuration()));
  const { stdout, stderr } = spawnSync(
    join(root, "node_modules/.bin/biome"),
    ["lint", "--reporter=json", "--max-diagnostics=none", path],
    { cwd: folder, encoding: "utf8" },
  );
  expect(stdout, stderr).toMatch(/^\{/);
  const { diagnostics } = reportSchema.parse(JSON.parse(stdout));
  return diagnostics
    .filter(({ category }) => category === "plugin")
    .map(({ location }) => location.start.line)
    .sort((a, b) => a - b);
}

const violations = [
  "export const a = Math.max(...list);",
  "export const b = Math.min(0, ...list.map((one) => one + 1));",
  "list.push(...list);",
  "maybe?.push(...list);",
  "deep.inside.list.unshift(...list);",
  "list.splice(0, 1, ...list);",
  "export const c = list.concat(...[list]);",
  "export const d = String.fromCharCode(...list);",
  "export const e = Math.max.apply(null, list);",
  "export const f = Reflect.apply(Math.max, null, list);",
  "export const g = Array.of(...list);",
  "export const h = Math.max(\n  1,\n  ...list,\n);",
];

test.each(violations)("reports %j", (text) => {
  const line = text.split("\n").findIndex((part) => /\.\.\.|apply/.test(part)) + 1;
  expect(reportedLines("packages/core/src/planted.ts", text.split("\n"))).toEqual([line]);
});

test.each([
  "scripts/planted.mjs",
  "bench/planted.ts",
  "fuzz/targets/planted.ts",
  "packages/cli/src/commands/planted.ts",
])("looks into %s", (path) => expect(reportedLines(path, ["list.push(...list);"])).toEqual([1]));

test("accepts arrays made of arrays, and calls that take one array", () => {
  expect(
    reportedLines("packages/core/src/planted.ts", [
      "export const a = [...list, ...list];",
      "export const b = list.concat([...list]);",
      "list.push([...list].length);",
      "list.push(pair(...list));",
      "export const c = { ...deep, list: Math.max(list.length, 1) };",
    ]),
  ).toEqual([]);
});
