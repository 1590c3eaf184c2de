/**
 * An esbuild plugin: what a source file imports from `@requant/…`, it imports from the file that declares it. esbuild
 * decides by file what goes into which chunk, and an index file imports all of its package: a chunk that used one name of
 * a package would load the whole package.
 */
import { readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import type { Plugin } from "esbuild";
import ts from "typescript";

interface Origin {
  readonly file: string;
  readonly name: string;
}

/** The exports of a file: by name, and the files that it re-exports completely. */
interface Exports {
  readonly named: ReadonlyMap<string, Origin>;
  readonly all: readonly string[];
  readonly own: ReadonlySet<string>;
}

const known = new Map<string, Exports>();

function parse(file: string): ts.SourceFile {
  return ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest);
}

function exportsOf(file: string): Exports {
  const found = known.get(file);
  if (found !== undefined) return found;
  const named = new Map<string, Origin>();
  const all: string[] = [];
  const own = new Set<string>();
  for (const statement of parse(file).statements) {
    if (ts.isExportDeclaration(statement)) {
      const { exportClause, moduleSpecifier } = statement;
      if (moduleSpecifier === undefined || !ts.isStringLiteral(moduleSpecifier)) continue;
      const from = resolve(dirname(file), moduleSpecifier.text);
      if (exportClause === undefined) all.push(from);
      else if (ts.isNamedExports(exportClause)) {
        for (const { name, propertyName } of exportClause.elements)
          named.set(name.text, { file: from, name: (propertyName ?? name).text });
      }
    } else if (ts.canHaveModifiers(statement) && isExported(statement)) {
      for (const name of declaredNames(statement)) own.add(name);
    }
  }
  const exports: Exports = { named, all, own };
  known.set(file, exports);
  return exports;
}

function isExported(statement: ts.HasModifiers): boolean {
  return ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;
}

function declaredNames(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement))
    return statement.declarationList.declarations.flatMap(({ name }) =>
      ts.isIdentifier(name) ? [name.text] : [],
    );
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement))
    return statement.name === undefined ? [] : [statement.name.text];
  return [];
}

function originOf(file: string, name: string): Origin | undefined {
  const { named, all, own } = exportsOf(file);
  if (own.has(name)) return { file, name };
  const direct = named.get(name);
  if (direct !== undefined) return originOf(direct.file, direct.name);
  for (const other of all) {
    const origin = originOf(other, name);
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** The source behind `@requant/gguf` or `@requant/core/node`. */
function entryOf(packages: string, specifier: string): string | undefined {
  const [, name, path] = /^@requant\/([^/]+)(\/.+)?$/.exec(specifier) ?? [];
  if (name === undefined) return undefined;
  const { exports } = JSON.parse(readFileSync(join(packages, name, "package.json"), "utf8"));
  return resolve(packages, name, exports[`.${path ?? ""}`]["@requant/source"]);
}

function rewritten(packages: string, file: string): string {
  const source = parse(file);
  let text = source.text;
  for (const statement of [...source.statements].reverse()) {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) continue;
    const entry = entryOf(packages, statement.moduleSpecifier.text);
    const bindings = statement.importClause?.namedBindings;
    if (entry === undefined || bindings === undefined || !ts.isNamedImports(bindings)) continue;
    if (statement.importClause?.isTypeOnly === true) continue;
    const lines = bindings.elements.flatMap(({ name, propertyName, isTypeOnly }) => {
      if (isTypeOnly) return [];
      const wanted = (propertyName ?? name).text;
      const origin = originOf(entry, wanted);
      if (origin === undefined) throw new Error(`${file}: ${entry} exports no value ${wanted}`);
      return [`import { ${origin.name} as ${name.text} } from ${JSON.stringify(origin.file)};`];
    });
    text = text.slice(0, statement.getStart(source)) + lines.join(" ") + text.slice(statement.end);
  }
  return text;
}

/** @param packages the folder that holds all of them */
export function directImports(packages: string): Plugin {
  return {
    name: "direct-imports",
    setup(build) {
      build.onLoad({ filter: /[/\\]packages[/\\][^/\\]+[/\\]src[/\\].*\.ts$/ }, ({ path }) => ({
        contents: rewritten(packages, path),
        loader: "ts",
      }));
    },
  };
}
