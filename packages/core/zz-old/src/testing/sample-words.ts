/** Words of a target that stand for all that its specification allows. */
import type { WeightTarget } from "../format/weight-target.ts";
import type { ChoiceWords, NumberWords, WordSpec } from "../format/word-spec.ts";

/** One word and the setting that it must become. */
export interface SampleWord {
  readonly spec: WordSpec;
  readonly word: string;
  readonly value: string | number | boolean;
}

/** Every choice, every named number, the ends of every range, and every example. */
export function sampleWords(specs: readonly WordSpec[]): SampleWord[] {
  return specs.flatMap((spec) => {
    const { words, examples = [] } = spec;
    const named = words.kind === "choice" ? words.values : (words.named ?? {});
    const fixed = Object.entries(named).map(([word, value]) => ({ spec, word, value }));
    if (words.kind === "choice") return fixed;
    const refused = words.refused ?? [];
    const numbers = [words.least, words.most, ...examples].filter(
      (value): value is number =>
        typeof value === "number" &&
        value >= words.least &&
        !Object.values(named).includes(value) &&
        !refused.includes(value),
    );
    return [...fixed, ...numbers.map((value) => ({ spec, word: numberWord(words, value), value }))];
  });
}

/** A number as a word. */
export function numberWord({ prefix = "", suffix = "" }: NumberWords, value: number): string {
  return `${prefix}${value}${suffix}`;
}

/** The words of the target's example, with each sample word in place of the one that sets the same. */
export function sampleSpellings({ words, example }: Pick<WeightTarget, "words" | "example">): string[] {
  return sampleWords(words).map(({ spec, word }) => `${exampleWithout(example, spec)}${word}`);
}

/** The example without the words of one setting, ready for another word; nothing for a word that stands alone. */
export function exampleWithout(example: string, spec: WordSpec): string {
  if (spec.alone === true) return "";
  const tokens = example.split("-");
  const kept: string[] = [];
  for (let at = 0; at < tokens.length; at++) {
    // a word may have several tokens: "block-128"
    const end = tokens.findLastIndex(
      (_, last) => last >= at && isWordOf(spec, tokens.slice(at, last + 1).join("-")),
    );
    if (end === -1) kept.push(`${tokens[at]}-`);
    else at = end;
  }
  return kept.join("");
}

function isWordOf({ words }: WordSpec, word: string): boolean {
  return words.kind === "choice" ? isChoice(words, word) : isNumber(words, word);
}

function isChoice({ values }: ChoiceWords, word: string): boolean {
  return Object.hasOwn(values, word);
}

function isNumber(words: NumberWords, word: string): boolean {
  const { prefix = "", suffix = "", named = {} } = words;
  const digits = word.slice(prefix.length, word.length - suffix.length);
  const isPlain = word.startsWith(prefix) && word.endsWith(suffix) && /^\d+(?:\.\d+)?$/.test(digits);
  return isPlain || Object.hasOwn(named, word);
}
