import { isCodecError, UsageError } from "@requant/core";
import { spellWords, type WordSpec, wordsOf } from "@requant/core/format";
import { bounded, didYouMean, nearest } from "@requant/core/text";
import type { Format, TargetFormat } from "./format.ts";
import type { Target } from "./plan.ts";
import { targetFormats } from "./target-formats.ts";

interface NamedTarget {
  readonly name: string;
  readonly target: TargetFormat;
}

/**
 * Parses `FORMAT:TOKEN[-TOKEN…]`, in any case: `gguf:q8_0`, `safetensors:BF16`. Words alone are understood where only one
 * format has them: `q4_k_m` is `gguf:q4_k_m`. A format alone is refused, whichever it is: its name does not say a size.
 * @throws UsageError naming the word that is not understood, the nearest ones, and what is allowed.
 */
export function parseTarget(text: string, list: readonly Format[] = targetFormats): Target {
  refuseSeveral(text);
  const targets = namedTargets(list);
  const [before = "", ...after] = text.trim().toLowerCase().split(":");
  const word = before.trim();
  const words = after.join(":").trim();
  const found = targets.find(({ name, target }) => name === word || target.shortName === word);
  if (found !== undefined) return targetOf(found, words);
  if (after.length > 0) {
    const names = targets.map(({ name }) => name);
    throw new UsageError(`There is no target format "${bounded(word, 40)}".${didYouMean(word, names)}`, {
      hint: `The formats are ${names.join(", ")}; for example ${targets[0]?.target.example ?? ""}.`,
    });
  }
  const [only, ...others] = targets.filter((candidate) => understands(candidate, word));
  if (only === undefined) throw unknownWord(word, targets);
  if (others.length === 0) return targetOf(only, word);
  // "auto" is a word of several, and all of the target of one
  const [whole, ...wholes] = [only, ...others].filter(({ target }) => target.spellings().includes(word));
  if (whole !== undefined && wholes.length === 0) return targetOf(whole, word);
  const spelled = [only, ...others].map(({ name }) => `${name}:${word}`);
  throw new UsageError(`Several formats have the word "${bounded(word, 40)}": ${spelled.join(", ")}.`, {
    hint: `Write which one is meant, such as ${spelled[0]}.`,
  });
}

/** Commas separate targets; no target has one. */
function refuseSeveral(text: string): void {
  if (!text.includes(",")) return;
  throw new UsageError(`"${bounded(text, 80)}" names several targets, and one is taken here.`, {
    hint: "Name one target, such as gguf:q8_0.",
  });
}

/** Every target there is, in canonical spelling: for help texts and tests. */
export function listTargets(list: readonly Format[] = targetFormats): string[] {
  return namedTargets(list).flatMap(({ name, target }) =>
    target.spellings().map((token) => `${name}:${token}`),
  );
}

/** The targets whose types, or widths, follow from the size that is asked for: see `PlanOptions.targetSize`. */
export function listSizedTargets(list: readonly Format[] = targetFormats): string[] {
  return namedTargets(list).flatMap(({ name, target }) =>
    target.options?.includes("targetSize") === true ? [`${name}:auto`] : [],
  );
}

/** The words that set one thing. */
export interface TargetWords {
  /** The setting: "groupSize". */
  readonly key: string;
  /** All of them, for people: "1g … 999999g or colg". */
  readonly words: string;
  readonly about: string;
  /** Typical ones. */
  readonly typical: readonly string[];
  /** What is meant where none of them is given. */
  readonly preset?: string;
  /** True: one of them is the whole target, without any other word. */
  readonly alone?: boolean;
}

/** A target format as help texts describe it. */
export interface TargetDescription {
  readonly name: string;
  /** A whole target: "gguf:q8_0". */
  readonly example: string;
  /** Typical targets, few enough to be read. */
  readonly examples: readonly string[];
  /** What may stand after the colon: all of it, or every combination of typical words. */
  readonly spellings: readonly string[];
  /** The words after the colon and what they set; empty where each spelling is one word. */
  readonly words: readonly TargetWords[];
  /** What its weights are made from floats by, where this is less than the format's own tools do. */
  readonly rounding?: string | undefined;
}

/** What every target format is, for help texts. */
export function describeTargets(list: readonly Format[] = targetFormats): TargetDescription[] {
  return namedTargets(list).map(({ name, target }) => ({
    name,
    example: target.example,
    examples: target.examples().map((words) => `${name}:${words}`),
    spellings: target.spellings(),
    words: (target.words ?? []).map(describeWords),
    ...(target.rounding === undefined ? {} : { rounding: target.rounding }),
  }));
}

function describeWords(spec: WordSpec): TargetWords {
  const { key, about, words, default: value, examples = [], alone } = spec;
  const preset = value === undefined ? "" : spellWords([spec], { [key]: value });
  const typical =
    words.kind === "choice"
      ? Object.keys(words.values)
      : examples.map((example) => spellWords([spec], { [key]: example }));
  return {
    key,
    words: wordsOf(spec),
    about,
    typical,
    ...(preset === "" ? {} : { preset }),
    ...(alone === true ? { alone } : {}),
  };
}

/** The word of each setting that a target has, by the setting: `{ bits: "4bit", groupSize: "128g" }`. */
export function targetWords(
  { format, settings }: Target,
  list: readonly Format[] = targetFormats,
): Readonly<Record<string, string>> {
  const specs = namedTargets(list).find(({ name }) => name === format)?.target.words ?? [];
  const words = specs.map((spec) => [spec.key, spellWords([spec], settings)] as const);
  return Object.fromEntries(words.filter(([, word]) => word !== ""));
}

function namedTargets(list: readonly Format[]): NamedTarget[] {
  return list.flatMap(({ name, target }) => (target === undefined ? [] : [{ name, target }]));
}

function targetOf({ name, target }: NamedTarget, words: string): Target {
  if (words === "") {
    const examples = target.examples().map((example) => `${name}:${example}`);
    throw new UsageError(`The target ${name} does not say which type.`, {
      hint: `Write ${[...new Set([target.example, ...examples])].slice(0, MOST_EXAMPLES).join(", ")} or another.`,
    });
  }
  return { format: name, settings: target.parse(words), text: `${name}:${words}` };
}

/** Examples in one message. */
const MOST_EXAMPLES = 4;

function understands({ target }: NamedTarget, words: string): boolean {
  if (words === "") return false;
  try {
    target.parse(words);
    return true;
  } catch (error) {
    if (isCodecError(error)) return false;
    throw error;
  }
}

/** Neither a format nor the words of one: what is near among all of them, or what the nearest format says about it. */
function unknownWord(word: string, targets: readonly NamedTarget[]): UsageError {
  const spellings = targets.flatMap(({ name, target }) =>
    target.spellings().map((words) => ({ words, whole: `${name}:${words}` })),
  );
  const near = nearest(word, [...targets.map(({ name }) => name), ...spellings.map(({ words }) => words)]);
  const meant = near.flatMap((found) => [
    ...targets.filter(({ name }) => name === found).map(({ target }) => target.example),
    ...spellings.filter(({ words }) => words === found).map(({ whole }) => whole),
  ]);
  const question = meant.length === 0 ? "" : ` Did you mean ${meant.join(" or ")}?`;
  return new UsageError(`There is no target "${bounded(word, 40)}".${question}`, {
    hint: `Write a format and its words, such as ${targets
      .slice(0, MOST_EXAMPLES)
      .map(({ target }) => target.example)
      .join(", ")}.`,
  });
}
