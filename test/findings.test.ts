import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("..", import.meta.url);
const documented = new Set(
  [...readFileSync(new URL("docs/findings.md", root), "utf8").matchAll(/^\| `([a-z0-9-]+)` \|/gm)].map(
    ([, code]) => code,
  ),
);

/** Source files of all packages, with their text. */
const sources = readdirSync(new URL("packages", root)).flatMap((name) => {
  const folder = new URL(`packages/${name}/src/`, root);
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("generated"))
    .map((file) => ({ file: `${name}/src/${file}`, text: readFileSync(new URL(file, folder), "utf8") }));
});

/** Findings as objects, the calls that make them, and the codes that a package names in a type. */
const patterns = [
  /\bcode: "([a-z][a-z0-9-]*)"/g,
  /\b(?:finding|note|warn|misreading)\(\s*"([a-z][a-z0-9-]*)",/g,
  /^export type \w+FindingCode =([^;]*);/gm,
];

test("docs/findings.md lists every code that the source uses", () => {
  const used = sources.flatMap(({ file, text }) =>
    patterns.flatMap((pattern) =>
      [...text.matchAll(pattern)].flatMap(([, found = ""]) =>
        (found.includes('"') ? [...found.matchAll(/"([^"]+)"/g)].map(([, code = ""]) => code) : [found]).map(
          (code) => ({ file, code }),
        ),
      ),
    ),
  );
  expect(used.length).toBeGreaterThan(60);
  expect(used.filter(({ code }) => !documented.has(code))).toEqual([]);
});

/** The type names that `Finding` replaced: a warning is a finding whose severity is not "note". */
test("no type has one of the old words in its name", () => {
  const old =
    /\b(?:ModelWarning|GgufWarning\w*|SafetensorsWarning\w*|RunNotice|TensorMisfit|LinearFindings|GptqFindings|ZeroFindings)\b/;
  expect(sources.filter(({ text }) => old.test(text)).map(({ file }) => file)).toEqual([]);
});
