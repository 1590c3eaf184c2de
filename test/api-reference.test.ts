/** The API reference: what stops it, and what it writes. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { apiReference } from "../scripts/api-reference.ts";

const folder = mkdtempSync(join(tmpdir(), "requant-api-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A repository of two packages: `left` has the given sources, `right` is right. */
function repository(name: string, source: string, readme = "# Left\n"): string {
  const root = join(folder, name);
  const manifest = (own: string): string =>
    JSON.stringify({
      name: own,
      version: "1.0.0",
      exports: { ".": { "@requant/source": "./src/index.ts" } },
    });
  const files = {
    "tsconfig.json": JSON.stringify({ compilerOptions: { strict: true, types: [] }, include: ["packages"] }),
    "README.md": "# All\n\n[left](packages/left)\n",
    "notes.md": "# Notes\n",
    "packages/left/package.json": manifest("@requant/left"),
    "packages/left/README.md": readme,
    "packages/left/src/index.ts": source,
    "packages/right/package.json": manifest("@requant/right"),
    "packages/right/README.md": "# Right\n",
    "packages/right/src/index.ts": "/**\n * Right.\n * @module\n */\n/** One. */\nexport const one = 1;\n",
  };
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return root;
}

describe("the API reference", () => {
  it("is not written where an export has no text, or a link leads nowhere", async () => {
    const root = repository(
      "wrong",
      [
        "export const silent = 2;",
        "interface Hidden { readonly a: number }",
        "/** Uses {@link nothing}. */",
        "export interface Shown {",
        "  /** A part. */",
        "  readonly part: Hidden;",
        "  method(): void;",
        "}",
      ].join("\n"),
      "# Left\n\n[gone](../../gone.md)\n",
    );
    const faults = (await apiReference(root, join(root, "api"))).join("\n");
    expect(faults).toContain(
      "@requant/left (Module), defined in @requant/left/src/index.ts, does not have any",
    );
    expect(faults).toContain("@requant/left.silent (Variable)");
    expect(faults).toContain("@requant/left.Shown.method (CallSignature)");
    expect(faults).toMatch(/Hidden, defined in .*, is referenced by @requant\/left\.Shown\.part/);
    expect(faults).toContain('Failed to resolve link to "nothing"');
    expect(faults).toMatch(/gone\.md is not a file/);
    expect(faults).not.toContain("@requant/right");
    expect(existsSync(join(root, "api"))).toBe(false);
  });

  it("has a page a package with its README, and its links lead to pages and to the repository", async () => {
    const root = repository(
      "good",
      "/**\n * Left.\n * @module\n */\n/** Two. */\nexport const two = 2;\n",
      "# Left\n\nThe other one is [right](../right). See the [notes](../../notes.md#first).\n",
    );
    expect(await apiReference(root, join(root, "api"))).toEqual([]);
    const page = readFileSync(join(root, "api/modules/_requant_left.html"), "utf8");
    expect(page).toContain('<a href="_requant_right.html">right</a>');
    expect(page).toMatch(/<a href="https:\/\/github\.com\/requant\/requant\/blob\/main\/notes\.md#first"/);
    expect(readFileSync(join(root, "api/index.html"), "utf8")).toContain(
      '<a href="modules/_requant_left.html">left</a>',
    );
  });
});
