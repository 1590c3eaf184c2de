/** The parameters of functions and kernels, read from the sources by TypeScript's own parser. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const packages = resolve(import.meta.dirname, "../packages");

/** Six parameters, for arithmetic on parts of arrays. */
const MOST_PARAMETERS = 6;

interface Source {
  readonly path: string;
  readonly tree: ts.SourceFile;
}

function parsed(path: string): Source {
  const text = readFileSync(join(packages, path), "utf8");
  return { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

const sources: readonly Source[] = readdirSync(packages)
  .filter((name) => existsSync(join(packages, name, "src")))
  .flatMap((name) => sourcesOf(`${name}/src`))
  .map(parsed);

function sourcesOf(folder: string): string[] {
  return readdirSync(join(packages, folder), { recursive: true, encoding: "utf8" })
    .map((path) => `${folder}/${path.replaceAll("\\", "/")}`)
    .filter((path) => path.endsWith(".ts") && !path.includes("/generated/"));
}

function everyNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => everyNode(child, visit));
}

/** "path:line name(parameters)" of functions, methods and their types with more than `most` parameters. */
function longFunctions({ path, tree }: Source, most: number): string[] {
  const found: string[] = [];
  everyNode(tree, (node) => {
    if (!ts.isFunctionLike(node) || node.parameters.length <= most) return;
    const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    const named = node.name ?? (ts.isVariableDeclaration(node.parent) ? node.parent.name : undefined);
    found.push(
      `${path}:${line} ${named?.getText() ?? "a function"} has ${node.parameters.length} parameters`,
    );
  });
  return found;
}

describe("functions", () => {
  it(`have at most ${MOST_PARAMETERS} parameters; more are an object, or a descriptor for a kernel`, () => {
    expect(sources.length).toBeGreaterThan(300);
    expect(sources.flatMap((source) => longFunctions(source, MOST_PARAMETERS))).toEqual([]);
  });

  it("are found and counted in every form", () => {
    const text = `
      export async function one(a, b, c) {}
      const two = (a, b, c) => a;
      interface I { three(a, b, c): void; four: (a, b, c) => void }
      class C { five(a, b, c) {} constructor(a, b, c) {} }
      function short(a, b) {}
    `;
    const tree = ts.createSourceFile("x.ts", text, ts.ScriptTarget.Latest, true);
    expect(longFunctions({ path: "x.ts", tree }, 2).map((line) => line.split(" ")[1])).toEqual([
      "one",
      "two",
      "three",
      "a",
      "five",
      "a",
    ]);
  });
});

interface Descriptor {
  readonly place: string;
  /** The file with the kernel's class. */
  readonly file: string;
  readonly className: string;
  readonly fields: readonly string[];
}

/** Calls of `descriptor` with a function from an interface, whose comment names the kernel's file, to a list of names. */
function descriptorsOf({ path, tree }: Source): Descriptor[] {
  const found: Descriptor[] = [];
  everyNode(tree, (node) => {
    if (!ts.isCallExpression(node) || node.expression.getText() !== "descriptor") return;
    const [inOrder] = node.arguments;
    if (!inOrder || !ts.isArrowFunction(inOrder) || !ts.isArrayLiteralExpression(inOrder.body)) {
      throw new Error(`${path}: a descriptor without a list of names`);
    }
    const className = inOrder.parameters[0]?.type?.getText() ?? "";
    const [, file = ""] =
      new RegExp(`The fields of the class \`${className}\` in (assembly/[\\w-]+\\.ts)`).exec(tree.text) ?? [];
    const fields = inOrder.body.elements.map((element) => element.getText());
    found.push({ place: path, file: `${path.split("/")[0]}/${file}`, className, fields });
  });
  return found;
}

function fieldsOfClass(file: string, className: string): string[] {
  const fields: string[] = [];
  everyNode(parsed(file).tree, (node) => {
    if (!ts.isClassDeclaration(node) || node.name?.text !== className) return;
    for (const member of node.members) fields.push(member.name?.getText() ?? "");
  });
  return fields;
}

describe("descriptors of kernels", () => {
  const descriptors = sources.flatMap(descriptorsOf);

  it("are found", () =>
    expect(descriptors.map(({ className }) => className).sort()).toEqual([
      "ActivationTask",
      "AttentionTask",
      "CodeTile",
      "CodedRows",
      "E4m3Rows",
      "FieldRuns",
      "GemmTile",
      "GridRuns",
      "HiddenGroups",
      "LevelRuns",
      "MomentsTask",
      "NibbleGroups",
      "NibbleTile",
      "PlacedBlocks",
      "ProductTask",
      "RoundedRows",
      "SearchedRows",
      "SharedRows",
      "SolveTile",
    ]));

  it.each(descriptors)(
    "$className has the same fields in $place and in $file",
    ({ file, className, fields }) => {
      expect(fields.length).toBeGreaterThan(4);
      expect(fieldsOfClass(file, className)).toEqual(fields);
    },
  );
});
