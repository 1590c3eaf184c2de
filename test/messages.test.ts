/** Messages for people are sentences, which TypeScript's own parser finds in the sources of all packages. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";
import { expect, it } from "vitest";

const packages = resolve(import.meta.dirname, "../packages");

/** Packages whose messages are not all sentences yet. Remove a package here once its messages are. */
const TO_DO: ReadonlySet<string> = new Set();

/** The names of properties and parameters that hold a message. */
const MESSAGE_NAMES: ReadonlySet<string> = new Set(["message", "hint"]);

interface Source {
  readonly path: string;
  readonly tree: ts.SourceFile;
}

/** A parameter that ends up as a message: calls of `name` are checked, in one file or in the whole package. */
interface Carrier {
  readonly name: string;
  readonly index: number;
  readonly isMethod: boolean;
  readonly tree: ts.SourceFile | undefined;
}

function parsed(path: string, text: string): Source {
  return { path, tree: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

function sourcesOf(name: string): Source[] {
  return readdirSync(join(packages, name, "src"), { recursive: true, encoding: "utf8" })
    .filter((file) => file.endsWith(".ts") && !file.startsWith("generated"))
    .map((file) => `${name}/src/${file.replaceAll("\\", "/")}`)
    .map((path) => parsed(path, readFileSync(join(packages, path), "utf8")));
}

function everyNode(node: ts.Node, visit: (node: ts.Node) => void): void {
  visit(node);
  ts.forEachChild(node, (child) => everyNode(child, visit));
}

function isCallOf({ name, isMethod }: Carrier, { expression }: ts.CallExpression): boolean {
  if (isMethod) return ts.isPropertyAccessExpression(expression) && expression.name.text === name;
  return ts.isIdentifier(expression) && expression.text === name;
}

function functionName(node: ts.SignatureDeclaration): string | undefined {
  if (node.name) return node.name.getText();
  return ts.isVariableDeclaration(node.parent) ? node.parent.name.getText() : undefined;
}

/** True for a function that other files can call: it is exported, or is a method. */
function isShared(node: ts.SignatureDeclaration): boolean {
  if (ts.isMethodDeclaration(node)) return true;
  return (
    ts.isFunctionDeclaration(node) &&
    (node.modifiers ?? []).some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)
  );
}

/** The message that a node gives to an error or a finding, if it gives one. */
function givenMessages(node: ts.Node): ts.Expression[] {
  if (ts.isNewExpression(node) && /(?:^|\.)\w*Error$/.test(node.expression.getText())) {
    const isBase = node.expression.getText().endsWith("CodecError");
    const message = node.arguments?.[isBase ? 1 : 0];
    return message ? [message] : [];
  }
  if (!ts.isObjectLiteralExpression(node)) return [];
  // an object with a message alone may be another thing; a finding has a code or a severity as well
  const isFinding = node.properties.some(({ name }) => name && /^(?:code|severity)$/.test(name.getText()));
  return node.properties.flatMap((property) => {
    const name = property.name?.getText() ?? "";
    if (!MESSAGE_NAMES.has(name) || (name === "message" && !isFinding)) return [];
    if (ts.isShorthandPropertyAssignment(property)) return [property.name];
    return ts.isPropertyAssignment(property) ? [property.initializer] : [];
  });
}

/** The declaration of a name around a place: a parameter or a constant of the file. */
function declarationOf(
  identifier: ts.Identifier,
): ts.ParameterDeclaration | ts.VariableDeclaration | undefined {
  for (let scope: ts.Node = identifier.parent; scope; scope = scope.parent) {
    if (ts.isFunctionLike(scope)) {
      const parameter = scope.parameters.find(({ name }) => name.getText() === identifier.text);
      if (parameter) return parameter;
    }
    if (!ts.isBlock(scope) && !ts.isSourceFile(scope)) continue;
    for (const statement of scope.statements) {
      if (!ts.isVariableStatement(statement)) continue;
      const found = statement.declarationList.declarations.find(
        ({ name }) => name.getText() === identifier.text,
      );
      if (found) return found;
    }
  }
  return undefined;
}

/** The texts that a message can be, and the parameters that it can come from. */
function sourcesOfMessage(expression: ts.Expression): (ts.Expression | Carrier)[] {
  if (ts.isParenthesizedExpression(expression)) return sourcesOfMessage(expression.expression);
  if (ts.isStringLiteralLike(expression) || ts.isTemplateExpression(expression)) return [expression];
  if (ts.isConditionalExpression(expression)) {
    return [expression.whenTrue, expression.whenFalse].flatMap(sourcesOfMessage);
  }
  if (ts.isBinaryExpression(expression)) {
    const { left, right, operatorToken } = expression;
    const isChoice = operatorToken.kind === ts.SyntaxKind.QuestionQuestionToken;
    return isChoice ? [left, right].flatMap(sourcesOfMessage) : [expression];
  }
  const declaration = ts.isIdentifier(expression) ? declarationOf(expression) : undefined;
  if (declaration === undefined) return [];
  if (ts.isVariableDeclaration(declaration)) {
    return declaration.initializer ? sourcesOfMessage(declaration.initializer) : [];
  }
  const owner = declaration.parent;
  const name = functionName(owner);
  if (name === undefined || ts.isConstructorDeclaration(owner)) return [];
  const index = owner.parameters.indexOf(declaration);
  const tree = isShared(owner) ? undefined : expression.getSourceFile();
  return [{ name, index, isMethod: ts.isMethodDeclaration(owner), tree }];
}

/** The text with `…` in place of each value, and `….` in place of another message, which is a sentence of its own. */
function shownText(node: ts.Node): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    const spans = node.templateSpans.map(({ expression, literal }) => {
      const isMessage = ts.isPropertyAccessExpression(expression) && expression.name.text === "message";
      return `${isMessage ? "…." : "…"}${literal.text}`;
    });
    return node.head.text + spans.join("");
  }
  if (ts.isBinaryExpression(node)) return shownText(node.left) + shownText(node.right);
  return "…";
}

/**
 * A sentence begins with a capital letter, a number, a quoted name or a value, and ends with a full stop or a question mark.
 * A value may follow the full stop: another sentence, or nothing.
 */
const SENTENCE = /^(?:[A-Z0-9"'`…]).*[.?]…?$/s;

/** "path:line text" of every message that is no sentence, in the sources of one package. */
function badMessages(sources: readonly Source[]): string[] {
  const bad = new Set<string>();
  const carriers = new Map<string, Carrier>();
  const check = (message: ts.Expression): void => {
    for (const found of sourcesOfMessage(message)) {
      if ("index" in found) {
        carriers.set(`${found.name} ${found.index} ${found.tree?.fileName ?? ""}`, found);
        continue;
      }
      const tree = found.getSourceFile();
      const line = tree.getLineAndCharacterOfPosition(found.getStart()).line + 1;
      const text = shownText(found);
      if (text !== "" && !SENTENCE.test(text)) bad.add(`${tree.fileName}:${line} ${text}`);
    }
  };
  const checkCalls = (carrier: Carrier): void => {
    for (const { tree } of sources) {
      if (carrier.tree !== undefined && tree !== carrier.tree) continue;
      everyNode(tree, (node) => {
        const argument =
          ts.isCallExpression(node) && isCallOf(carrier, node) && node.arguments[carrier.index];
        if (argument) check(argument);
      });
    }
  };
  for (const { tree } of sources) everyNode(tree, (node) => givenMessages(node).forEach(check));
  // a Map is walked to its end, so this also reaches the carriers that `checkCalls` adds
  for (const carrier of carriers.values()) checkCalls(carrier);
  return [...bad].sort();
}

const names = readdirSync(packages).filter((name) => existsSync(join(packages, name, "src")));

it.each(names.filter((name) => !TO_DO.has(name)))("every message of %s is a sentence", (name) => {
  expect(badMessages(sourcesOf(name))).toEqual([]);
});

it("the packages that are still to be done exist", () => {
  expect([...TO_DO].filter((name) => !names.includes(name))).toEqual([]);
});

it("a message that is not a sentence is found in every form", () => {
  const text = `
    throw new FormatError("the file is bad.");
    throw new CodecError("IO", "The file is bad");
    throw new FormatError(\`\${path} is bad\`, { hint: "Try again" });
    throw new UsageError(isLong ? "It is long." : "short.");
    const late = "no capital.";
    fault(1, "Cut");
    note("code", "noted.");
    function fault(offset, message) { throw new UsageError(message); }
    const note = (code, message) => ({ code, message });
    function later() { throw new IoError(late); }
    throw new FormatError("The file is good.");
    throw new IoError(\`The server is busy.\${wait}\`, { hint: "Is it on?" });
    throw new RangeError(\`\${path} is bad.\`);
    fault(1, "Good.");
    other("not a message");
    call({ message: "not a finding" });
  `;
  const found = badMessages([parsed("sample.ts", text)]).map((line) => line.replace(/^\S+ /, ""));
  expect(found.sort()).toEqual(
    [
      "Cut",
      "The file is bad",
      "Try again",
      "no capital.",
      "noted.",
      "short.",
      "the file is bad.",
      "… is bad",
    ].sort(),
  );
});
