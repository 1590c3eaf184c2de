/**
 * A kernel is asked for by its name, and where there is none the TypeScript works alone: a wrong name costs speed and shows
 * nowhere else. So every name in the sources must be an export of the package's kernels.
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const packages = new URL("../packages/", import.meta.url).pathname;
const built = readdirSync(packages).filter((name) => existsSync(join(packages, name, "assembly")));

/** The functions that a package's kernels export. */
function exportsOf(name: string): string[] {
  const folder = join(packages, name, "src/generated");
  return readdirSync(folder)
    .filter((file) => file.endsWith("kernels.ts"))
    .flatMap((file) => exportsOfFile(join(folder, file)));
}

function exportsOfFile(path: string): string[] {
  const text = readFileSync(path, "utf8");
  const wasm = /"([A-Za-z0-9+/=]{100,})"/.exec(text)?.[1] ?? "";
  const module = new WebAssembly.Module(Buffer.from(wasm, "base64"));
  return WebAssembly.Module.exports(module).flatMap(({ name: export_, kind }) =>
    kind === "function" ? [export_] : [],
  );
}

/** Names that the sources ask for: whole, or as a pattern where parts of them are computed. */
function askedNames(name: string): string[] {
  const folder = join(packages, name, "src");
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((file) =>
    file.endsWith(".ts"),
  );
  return files.flatMap((file) =>
    [
      ...readFileSync(join(folder, file), "utf8").matchAll(
        /\b(?:kernel|kernelOf|hasKernel)\(([`"])(.+?)\1\)/g,
      ),
    ].map(([, , asked = ""]) => asked),
  );
}

/** `"columns"` of `${along === "columns" ? …}` and the like may stand inside the braces. */
function patternOf(asked: string): RegExp {
  return new RegExp(`^${asked.replace(/\$\{[^}]*\}/g, "\\w+")}$`);
}

function missing(asked: readonly string[], exported: readonly string[]): string[] {
  return asked.filter((name) => !exported.some((one) => patternOf(name).test(one)));
}

describe("names of kernels", () => {
  it.each(built)("%s asks for kernels that it has", (name) => {
    const exported = exportsOf(name);
    expect(exported.length).toBeGreaterThan(0);
    expect(missing(askedNames(name), exported)).toEqual([]);
  });

  it("are found in the sources, and a wrong one is told from a right one", () => {
    expect(built.flatMap(askedNames).length).toBeGreaterThan(10);
    const computed = "$" + "{verb}Rows";
    expect(missing(["checksum", "sum", computed], ["checksum", "packRows"])).toEqual(["sum"]);
    expect(missing([computed], ["packColumns"])).toEqual([computed]);
  });
});
