/** The exports of the packages: every export is documented, no name has two meanings, and core's main entry stays small. */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";
import { z } from "zod";

const root = resolve(import.meta.dirname, "..");
const manifestSchema = z.object({
  name: z.string(),
  exports: z.record(z.string(), z.union([z.string(), z.record(z.string(), z.unknown())])),
});

interface Entry {
  /** As users import it: "@requant/core/view". */
  readonly specifier: string;
  readonly file: string;
}

const entries: readonly Entry[] = readdirSync(join(root, "packages")).flatMap((folder) => {
  const path = join(root, "packages", folder, "package.json");
  const manifest = manifestSchema.parse(JSON.parse(readFileSync(path, "utf8")));
  return Object.entries(manifest.exports).flatMap(([subpath, conditions]) => {
    const source = typeof conditions === "string" ? undefined : conditions["@requant/source"];
    return typeof source === "string"
      ? [{ specifier: manifest.name + subpath.slice(1), file: resolve(root, "packages", folder, source) }]
      : [];
  });
});

interface PublicName {
  readonly specifier: string;
  readonly name: string;
  readonly isValue: boolean;
  readonly declaredIn: string;
  readonly documentation: string;
}

function publicNames(): PublicName[] {
  const program = ts.createProgram(
    entries.map(({ file }) => file),
    {
      noEmit: true,
      allowImportingTsExtensions: true,
      moduleResolution: ts.ModuleResolutionKind.Bundler,
      module: ts.ModuleKind.ESNext,
      target: ts.ScriptTarget.ES2022,
      customConditions: ["@requant/source"],
      skipLibCheck: true,
    },
  );
  const checker = program.getTypeChecker();
  return entries.flatMap(({ specifier, file }) => {
    const source = program.getSourceFile(file);
    const module = source === undefined ? undefined : checker.getSymbolAtLocation(source);
    return (module === undefined ? [] : checker.getExportsOfModule(module)).map((symbol): PublicName => {
      const own = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      return {
        specifier,
        name: symbol.name,
        isValue: (own.flags & ts.SymbolFlags.Value) !== 0,
        declaredIn: relative(root, own.declarations?.[0]?.getSourceFile().fileName ?? ""),
        documentation: ts.displayPartsToString(own.getDocumentationComment(checker)),
      };
    });
  });
}

describe("the public surface", () => {
  const names = publicNames();

  it("is found at all", () => {
    expect(names.length).toBeGreaterThan(300);
  });

  it("documents every export", () => {
    const silent = names.filter(({ documentation }) => documentation.trim() === "");
    expect(silent.map(({ specifier, name, declaredIn }) => `${specifier} ${name} (${declaredIn})`)).toEqual(
      [],
    );
  });

  it("gives no name two meanings", () => {
    const places = new Map<string, Set<string>>();
    for (const { name, declaredIn } of names) {
      places.set(name, (places.get(name) ?? new Set()).add(declaredIn));
    }
    const twice = [...places].filter(([, files]) => files.size > 1);
    expect(twice.map(([name, files]) => `${name}: ${[...files].join(", ")}`)).toEqual([]);
  });

  it("keeps the main entry of @requant/core at 60 values at most", () => {
    const values = names.filter(({ specifier, isValue }) => specifier === "@requant/core" && isValue);
    expect(values.length).toBeLessThanOrEqual(60);
  });
});
