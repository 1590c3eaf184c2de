// Finds regular expressions whose time can grow faster than their text. Most texts come from untrusted files, so the
// packages may have no such pattern for any purpose; recheck computes the growth of each.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import ts from "typescript";

// the JavaScript build; recheck would otherwise look for its native build
process.env["RECHECK_BACKEND"] = "pure";
const { checkSync } = await import("recheck");

const root = resolve(import.meta.dirname, "../packages");
const PATIENCE_MS = 60_000;

/** Patterns that are allowed nevertheless, in their source spelling, each with the reason. */
const allowed = new Map([
  // biome-ignore lint/suspicious/noTemplateCurlyInString: source text
  ["new RegExp(`^${body}${tail}$`)", "made from our own table of tensor names, whose wildcards are numbers"],
  ['new RegExp(pattern, "i")', "the user's own pattern, as llama-quantize takes it; no file has a say in it"],
]);

/** Without an unbounded repetition, time grows at most linearly with the text. */
const repeats = (source) => /[*+]|\{\d+,\}/.test(source);

function* patternsOf(file) {
  const source = ts.createSourceFile(
    file,
    readFileSync(join(root, file), "utf8"),
    ts.ScriptTarget.Latest,
    true,
  );
  const nodes = [source];
  for (let node = nodes.pop(); node !== undefined; node = nodes.pop()) {
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
    if (ts.isRegularExpressionLiteral(node))
      yield { place: `${file}:${line}`, text: node.text, literal: true };
    else if (
      (ts.isNewExpression(node) || ts.isCallExpression(node)) &&
      ts.isIdentifier(node.expression) &&
      node.expression.text === "RegExp"
    )
      yield { place: `${file}:${line}`, text: node.getText(), literal: false };
    ts.forEachChild(node, (child) => {
      nodes.push(child);
    });
  }
}

/** The fault of a pattern; undefined when there is none. */
function faultOf({ text, literal }) {
  if (!literal) return "is made at run time, so its growth is not known";
  const end = text.lastIndexOf("/");
  const source = text.slice(1, end);
  if (!repeats(source)) return undefined;
  const { status, complexity, error } = checkSync(source, text.slice(end + 1), { timeout: PATIENCE_MS });
  if (status === "safe") return undefined;
  return status === "vulnerable"
    ? `takes time that grows as a ${complexity.summary} of the text's length`
    : `could not be judged (${error?.kind})`;
}

const faults = new Map();
const seen = new Set();
const problems = [];
let count = 0;
for (const file of readdirSync(root, { recursive: true }).sort()) {
  if (!/^[^/]+\/src\/.*\.ts$/.test(file)) continue;
  for (const pattern of patternsOf(file)) {
    count += 1;
    seen.add(pattern.text);
    if (allowed.has(pattern.text)) continue;
    if (!faults.has(pattern.text)) faults.set(pattern.text, faultOf(pattern));
    const fault = faults.get(pattern.text);
    if (fault !== undefined) problems.push(`${pattern.place}: ${pattern.text} ${fault}`);
  }
}
for (const text of allowed.keys())
  if (!seen.has(text)) problems.push(`${text} is allowed but not there any more`);
for (const problem of problems) console.error(problem);
console.log(`${count} regular expressions, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
