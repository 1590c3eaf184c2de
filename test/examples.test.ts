/** Every `@example` of the packages is a module that the compiler accepts, and every package's index.ts has an example. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = resolve(import.meta.dirname, "..");

interface Example {
  /** The file whose comment holds it. */
  readonly path: string;
  readonly code: string;
}

/** Folders of packages, and the files in which an example may stand. */
/** Packages that others import; the page is none. */
const packages = readdirSync(join(root, "packages")).filter((name) => name !== "web");
const sourcesOf = (folder: string): string[] =>
  readdirSync(join(root, "packages", folder, "src"), { recursive: true, encoding: "utf8" })
    .map((name) => `packages/${folder}/src/${name.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts") && !path.includes("/generated/"));

/** The code after each `@example` of a file, up to the next tag or the end of the comment. */
function examplesOf(path: string, text: string): Example[] {
  const comments = text.match(/^[ \t]*\/\*\*[\s\S]*?\*\//gm) ?? [];
  return comments.flatMap((comment) => {
    const lines = comment.split("\n").map((line) => line.replace(/^\s*(?:\/\*\*|\*\/|\* ?)/, ""));
    const parts = lines.join("\n").split(/^@(?=\w+)/m);
    return parts
      .filter((part) => part.startsWith("example"))
      .map((part) => ({ path, code: part.slice("example".length).replace(/^```\w*$/gm, "") }));
  });
}

/**
 * Compiles examples as modules of the packages in which they stand, against the sources.
 * @returns the compiler's messages, each with the file whose comment is wrong
 */
function faultsOf(examples: readonly Example[]): string[] {
  const files = new Map(
    examples.map(({ path, code }, index): [string, Example] => {
      const folder = path.split("/").slice(0, 2).join("/");
      // an import turns code without imports into a module, in which await is allowed
      return [join(root, folder, `example-${index}.ts`), { path, code: `${code}\nexport {};\n` }];
    }),
  );
  const config = ts.readConfigFile(join(root, "tsconfig.json"), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(
    { ...config.config, include: [], files: [] },
    ts.sys,
    root,
  );
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (name) => files.has(resolve(name)) || fileExists(name);
  host.readFile = (name) => files.get(resolve(name))?.code ?? readFile(name);
  host.getSourceFile = (name, version, ...rest) => {
    const code = files.get(resolve(name))?.code;
    return code === undefined
      ? getSourceFile(name, version, ...rest)
      : ts.createSourceFile(name, code, version, true);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([name, { path }]) => {
    const source = program.getSourceFile(name);
    const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
    return found.map(({ messageText }) => `${path}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`);
  });
}

describe("examples", () => {
  const examples = packages
    .flatMap(sourcesOf)
    .flatMap((path) => examplesOf(path, readFileSync(join(root, path), "utf8")));

  it("are in the index.ts of every package", () => {
    const doors = packages.map((folder) => `packages/${folder}/src/index.ts`);
    expect(doors.filter((door) => !examples.some(({ path }) => path === door))).toEqual([]);
  });

  it("import the names that they use", () => {
    expect(examples.filter(({ code }) => !code.includes("import ")).map(({ path }) => path)).toEqual([]);
  });

  it("compile, and a wrong example does not", () => {
    const wrong = examplesOf(
      "packages/core/src/wrong.ts",
      '/**\n * Says.\n * @example\n * import { noSuchName } from "@requant/core";\n * @throws never\n */',
    );
    expect(wrong.length).toBe(1);
    expect(faultsOf([...examples, ...wrong])).toEqual([
      "packages/core/src/wrong.ts: Module '\"@requant/core\"' has no exported member 'noSuchName'.",
    ]);
  });
});
