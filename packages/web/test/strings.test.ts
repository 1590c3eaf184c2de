/** What the page says is in strings.ts alone, so that it can be read, changed and translated in one place. */
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const folder = resolve(import.meta.dirname, "../src");

/** Attributes whose text people see or hear. */
const SPOKEN = new Set(["alt", "aria-description", "aria-label", "caption", "label", "placeholder", "title"]);
/** Attributes whose words are for the style sheet and the browser. */
const UNSPOKEN = new Set(["class", "layout", "style"]);

const WORD = /\p{L}{2}/u;
const SENTENCE = /\p{L}{2,} \p{L}{2,}/u;

/** The text of a literal, or of a part of a template. */
function literalText(node: ts.Node): string | undefined {
  if (ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddleOrTemplateTail(node))
    return node.text;
  return ts.isJsxText(node) ? node.text.trim() : undefined;
}

function isKey(node: ts.Node): boolean {
  return ts.isPropertyAssignment(node.parent) && node.parent.name === node;
}

type Place = "code" | "spoken" | "unspoken";

/** Where the literals below `node` are shown, given where `node` is. */
function placeIn(node: ts.Node, place: Place): Place {
  if (ts.isJsxAttribute(node)) {
    const name = node.name.getText();
    return SPOKEN.has(name) ? "spoken" : UNSPOKEN.has(name) ? "unspoken" : "code";
  }
  // the children of an element
  if (ts.isJsxExpression(node) && !ts.isJsxAttribute(node.parent)) return "spoken";
  // what an error says stands where it is thrown, as everywhere in this repository
  if (ts.isNewExpression(node) && node.expression.getText().endsWith("Error")) return "unspoken";
  if (ts.isImportDeclaration(node)) return "unspoken";
  // names of methods, of kinds and of keys
  if (ts.isCallExpression(node) || ts.isElementAccessExpression(node))
    return place === "spoken" ? "code" : place;
  if (ts.isBinaryExpression(node) && /^([!=]==|in)$/.test(node.operatorToken.getText())) return "unspoken";
  return place;
}

/** "line: text" of each text that people can read in these sources. */
function spokenIn(text: string, name: string): string[] {
  const tree = ts.createSourceFile(name, text, ts.ScriptTarget.Latest, true);
  const found: string[] = [];
  const visit = (node: ts.Node, outer: Place): void => {
    const place = placeIn(node, outer);
    const own = literalText(node);
    if (own !== undefined && place !== "unspoken" && !isKey(node)) {
      const isSpoken = ts.isJsxText(node) || place === "spoken" ? WORD.test(own) : SENTENCE.test(own);
      const line = tree.getLineAndCharacterOfPosition(node.getStart()).line + 1;
      if (isSpoken) found.push(`${name}:${String(line)}: ${own}`);
    }
    ts.forEachChild(node, (child) => visit(child, place));
  };
  visit(tree, "code");
  return found;
}

describe("what the page says", () => {
  it("is in strings.ts alone", () => {
    const sources = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter(
      (path) => /\.tsx?$/.test(path) && path !== "strings.ts",
    );
    expect(sources.length).toBeGreaterThan(80);
    expect(sources.flatMap((path) => spokenIn(readFileSync(join(folder, path), "utf8"), path))).toEqual([]);
  });

  it.each([
    ["text of an element", "<p>Open</p>"],
    ["a literal between tags", '<p>{isOpen ? "Close" : null}</p>'],
    ["a template between tags", ["<p>{`$", "{count} keys`}</p>"].join("")],
    ["a name for readers of screens", '<input aria-label="Filter" />'],
    ["an attribute of a component", '<Table caption={short ? "Files" : other} />'],
    ["a sentence in code", 'const text = "Drop files here";'],
  ])("this test finds %s", (_, source) => {
    expect(spokenIn(`export const it = () => { ${source} };`, "made.tsx")).toHaveLength(1);
  });

  it.each([
    ["a class", '<p class="row quiet" />'],
    ["punctuation", "<p>{a}: {b}</p>"],
    [
      "what an error says",
      'throw new UsageError("This is not an address.", { hint: "Write https://… instead." });',
    ],
    ["a comparison between tags", '<p>{kind === "waiting" ? a : b}</p>'],
    ["the name of a method", '<p>{call("openSource")}</p>'],
  ])("this test leaves %s alone", (_, source) => {
    expect(spokenIn(`export const it = () => { ${source} };`, "made.tsx")).toEqual([]);
  });
});
