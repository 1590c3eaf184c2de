/** Which modules a list of targets names. */
import { isCodecError } from "@requant/core";
import { namePattern, type PatternBudget, patternBudget } from "@requant/core/format";
import type { CompressedTensorsConfig, CompressedTensorsGroup } from "./config.ts";

const matchers = new WeakMap<readonly string[], readonly ((module: string) => boolean)[]>();

/** True where names, or "re:" and a regular expression that matches from the start, name a module. */
export function matchesAny(patterns: readonly string[], module: string): boolean {
  let known = matchers.get(patterns);
  if (known === undefined) {
    const budget = patternBudget();
    known = patterns.map((pattern) => matcherOf(pattern, budget));
    matchers.set(patterns, known);
  }
  return known.some((matches) => matches(module));
}

/** Patterns come from the file: a pattern that is invalid, or that cannot be matched in bounded time, matches nothing. */
function matcherOf(pattern: string, budget: PatternBudget): (module: string) => boolean {
  if (!pattern.startsWith("re:")) return (module) => pattern === module || module.endsWith(`.${pattern}`);
  try {
    return namePattern(pattern.slice(3), budget);
  } catch (error) {
    if (isCodecError(error)) return () => false;
    throw error;
  }
}

/** Last parts of the names of embeddings. */
const EMBEDDINGS: readonly string[] = ["embed_tokens", "word_embeddings", "tok_embeddings", "wte"];

/** The class that a module of such a name has; targets name classes, too. */
function classOf(module: string): "Embedding" | "Linear" {
  const last = module.slice(module.lastIndexOf(".") + 1);
  return EMBEDDINGS.includes(last) ? "Embedding" : "Linear";
}

/** True where a list of targets names a module or its class. */
export function targetsModule(targets: readonly string[], module: string): boolean {
  return matchesAny(targets, module) || targets.includes(classOf(module));
}

/** The group that names a module, or else the one of its class, or else the first. */
export function groupOf(
  { groups }: Pick<CompressedTensorsConfig, "groups">,
  module: string,
): CompressedTensorsGroup | undefined {
  return (
    groups.find(({ targets }) => matchesAny(targets, module)) ??
    groups.find(({ targets }) => targets.includes(classOf(module))) ??
    groups[0]
  );
}
