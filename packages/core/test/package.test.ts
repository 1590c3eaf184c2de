import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const manifest: unknown = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));

const sources = readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })
  .filter((path) => path.endsWith(".ts"))
  .map((path) => ({ path: path.replaceAll("\\", "/"), text: readFileSync(join(root, "src", path), "utf8") }));

describe("@requant/core as a package", () => {
  test("depends on nothing", () => {
    const { dependencies = {} } = manifest as { dependencies?: Record<string, string> };
    expect(dependencies).toEqual({});
    for (const field of ["peerDependencies", "optionalDependencies", "devDependencies"]) {
      expect(manifest).not.toHaveProperty(field);
    }
  });

  test("publishes the main entry and its subpaths, as ESM and CJS, without sources", () => {
    expect(manifest).toMatchObject({
      type: "module",
      sideEffects: false,
      engines: { node: ">=20.19" },
      files: ["dist", "README.md", "CHANGELOG.md", "LICENSE"],
      publishConfig: {
        exports: {
          ".": { import: { default: "./dist/index.js" }, require: { default: "./dist/index.cjs" } },
          "./node": { import: { default: "./dist/node.js" }, require: { default: "./dist/node.cjs" } },
        },
      },
    });
    const { publishConfig } = manifest as { publishConfig: { exports: object } };
    expect(JSON.stringify(publishConfig)).not.toContain("src/");
    expect(Object.keys(publishConfig.exports)).toEqual([
      ".",
      "./bits",
      "./format",
      "./http",
      "./hub",
      "./kernels",
      "./numeric",
      "./node",
      "./solve",
      "./testing",
      "./text",
      "./view",
      "./web",
      "./package.json",
    ]);
  });

  test("runs in a browser, except for io/node", () => {
    const offenders = sources.filter(
      ({ path, text }) =>
        !path.startsWith("io/node/") && /from "node:|\b(Buffer|process|require|__dirname)\b[.(]/.test(text),
    );
    expect(offenders.map(({ path }) => path)).toEqual([]);
  });

  test("arithmetic does no I/O", () => {
    const offenders = sources.filter(
      ({ path, text }) => /^(bits|numeric|view)\//.test(path) && /\basync\b|from "\.\.\/io\//.test(text),
    );
    expect(offenders.map(({ path }) => path)).toEqual([]);
  });
});
