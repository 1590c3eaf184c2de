/**
 * The words of a target, described once: `4bit-128g-sym`. The descriptions drive parsing, help, completion, the search for
 * exact targets and the reading of model names.
 */
import { UsageError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { bounded } from "../text.ts";

/** What the words of a target set, as plain JSON: `{ bits: 4, groupSize: 128, sym: true }`. */
export type TargetSettings = Readonly<Record<string, string | number | boolean>>;

/** @inline */
type SettingValue = TargetSettings[string];

/** Words that stand for one value each: `sym`, `asym`. */
export interface ChoiceWords {
  readonly kind: "choice";
  readonly values: Readonly<Record<string, SettingValue>>;
}

/** Words that hold a number: `128g`, `4.25bpw`, `h6`. */
export interface NumberWords {
  readonly kind: "number";
  readonly prefix?: string;
  readonly suffix?: string;
  readonly least: number;
  readonly most: number;
  /** Digits allowed after the point; 0 where absent. */
  readonly decimals?: number;
  /** Words for values that no number names: `colg` is −1. */
  readonly named?: Readonly<Record<string, number>>;
  /** Numbers in range that are not allowed. */
  readonly refused?: readonly number[];
}

/** One setting of a target and the words that set it. */
export interface WordSpec {
  /** The setting: "groupSize". */
  readonly key: string;
  /** One sentence for help: "Columns that share a scale; colg: all of a row." */
  readonly about: string;
  readonly words: ChoiceWords | NumberWords;
  /** The value where no word sets it; without one the setting is absent then. */
  readonly default?: SettingValue;
  /** True: the target must have a word for this setting. */
  readonly required?: boolean;
  /** True: a word of this setting names the whole target, and no other word may stand beside it: `nvfp4`. */
  readonly alone?: boolean;
  /** "statistics": the setting changes only weights that are packed with calibration statistics. */
  readonly needs?: "statistics";
  /** Typical values, for listings and completion. Without any, the word is left out of listings. */
  readonly examples?: readonly SettingValue[];
  /**
   * The values of this setting that a search for a value-keeping target tries: every example in order, or the group size
   * of the source. Absent: only the default.
   */
  readonly search?: "examples" | "source-groups";
}

/** The most tokens of a word: `llm-awq` has two. */
const MOST_TOKENS = 3;

/**
 * Settings from the words after a target's colon, lowercase.
 * @throws UsageError naming the word that is unknown or given twice, with the words that are allowed
 * @example
 * import { bitsWord, groupSizeWord, parseWords, symWord } from "@requant/core/format";
 *
 * parseWords([bitsWord(2, 8), groupSizeWord, symWord], "4bit-128g"); // { bits: 4, groupSize: 128, sym: true }
 */
export function parseWords(specs: readonly WordSpec[], text: string): TargetSettings {
  const settings: Record<string, SettingValue> = {};
  const tokens = tokensOf(text);
  for (let at = 0; at < tokens.length; ) {
    const found = longestWord(specs, tokens, at);
    if (found === undefined) throw unknownWord(specs, tokens[at] ?? "");
    if (found.key in settings) {
      throw new UsageError(`The ${spoken(found.key)} is given twice: ${text}.`, {
        hint: `Keep one of its words (${wordsOf(found.spec)}).`,
      });
    }
    settings[found.key] = found.value;
    at += found.tokenCount;
  }
  const alone = specs.find(({ alone: isAlone, key }) => isAlone === true && key in settings);
  if (alone !== undefined) return onlySetting(alone, settings, text);
  for (const spec of specs) {
    const { key, default: value, required } = spec;
    if (key in settings) continue;
    if (required === true)
      throw new UsageError(`The target does not say the ${spoken(key)}.`, { hint: `Add ${wordsOf(spec)}.` });
    if (value !== undefined) settings[key] = value;
  }
  return settings;
}

function onlySetting({ key, words }: WordSpec, settings: TargetSettings, text: string): TargetSettings {
  if (Object.keys(settings).length === 1) return settings;
  const word = wordFor(words, settings[key]) ?? key;
  throw new UsageError(`No other word can stand beside ${word}: ${bounded(text, 40)}.`, {
    hint: `Write ${word} alone, or leave it out.`,
  });
}

/** A hyphen that follows another, or nothing, is a minus: `-1bpw` is one token. */
function tokensOf(text: string): string[] {
  return text.split(/(?<=[^-])-/).filter((token) => token !== "");
}

/** The setting that one word sets; undefined for a word that is none of them. */
export function readWord(
  specs: readonly WordSpec[],
  word: string,
): { readonly key: string; readonly value: SettingValue } | undefined {
  for (const { key, words } of specs) {
    const value = words.kind === "choice" ? choiceOf(words, word) : numberOf(words, word);
    if (value !== undefined) return { key, value };
  }
  return undefined;
}

/** The canonical spelling of settings, in the order of the specs; values that no word can say are left out. */
export function spellWords(specs: readonly WordSpec[], settings: TargetSettings): string {
  return specs.flatMap(({ key, words }) => wordFor(words, settings[key]) ?? []).join("-");
}

/** Every combination of the examples, spelled: what listings show. */
export function exampleSpellings(specs: readonly WordSpec[]): string[] {
  const shown = specs.filter(({ examples }) => examples !== undefined);
  const combined = shown.filter(isCombined);
  const settings = combined.length === 0 && shown.length > 0 ? [] : combinations(combined);
  return [...settings, ...aloneSettings(shown)].map((one) => spellWords(specs, one));
}

/**
 * The examples of the first setting that has any, spelled with every other setting at its default, and the words that stand
 * alone: what messages show.
 */
export function shortSpellings(specs: readonly WordSpec[]): string[] {
  const shown = specs.filter(({ examples }) => examples !== undefined);
  const [varied] = shown.filter(isCombined);
  if (varied === undefined) return aloneSettings(shown).map((settings) => spellWords(specs, settings));
  const short = combinations(
    specs.filter(isCombined).flatMap((spec): WordSpec[] => {
      if (spec === varied) return [spec];
      return spec.examples === undefined || spec.default === undefined
        ? []
        : [{ ...spec, examples: [spec.default] }];
    }),
  );
  return [...short, ...aloneSettings(shown)].map((settings) => spellWords(specs, settings));
}

/** Settings to try, in order, for a target that keeps a source's values: see `WordSpec.search`. */
export function searchSettings(specs: readonly WordSpec[], sourceGroupSize: number): TargetSettings[] {
  const tried = specs.filter(isCombined).map((spec): WordSpec => {
    if (spec.search === "source-groups") return { ...spec, examples: [sourceGroupSize] };
    if (spec.search === "examples") return spec;
    return { ...spec, examples: spec.default === undefined ? [] : [spec.default] };
  });
  return [
    ...combinations(tried.filter(({ examples = [] }) => examples.length > 0)),
    ...aloneSettings(specs.filter(({ search }) => search === "examples")),
  ];
}

function isCombined({ alone }: WordSpec): boolean {
  return alone !== true;
}

/** One setting each. */
function aloneSettings(specs: readonly WordSpec[]): TargetSettings[] {
  return specs.flatMap((spec) =>
    isCombined(spec) ? [] : (spec.examples ?? []).map((value) => ({ [spec.key]: value })),
  );
}

/** A setting's name in a sentence: "group size". */
function spoken(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** The words that set one setting, for people: "2bit … 8bit", "sym or asym". */
export function wordsOf({ words }: WordSpec): string {
  if (words.kind === "choice") return Object.keys(words.values).join(" or ");
  const { least, most, prefix = "", suffix = "", named = {} } = words;
  const first = `${prefix}${least}${suffix}`;
  const range = least === most ? first : `${first} … ${prefix}${most}${suffix}`;
  return [range, ...Object.keys(named)].join(" or ");
}

function longestWord(specs: readonly WordSpec[], tokens: readonly string[], at: number) {
  for (let tokenCount = Math.min(MOST_TOKENS, tokens.length - at); tokenCount > 0; tokenCount--) {
    const found = readWord(specs, tokens.slice(at, at + tokenCount).join("-"));
    const spec = specs.find(({ key }) => key === found?.key);
    if (found !== undefined && spec !== undefined) return { ...found, spec, tokenCount };
  }
  return undefined;
}

function choiceOf({ values }: ChoiceWords, word: string): SettingValue | undefined {
  return Object.hasOwn(values, word) ? values[word] : undefined;
}

function numberOf(words: NumberWords, word: string): number | undefined {
  const { prefix = "", suffix = "", least, most, decimals = 0, named = {}, refused = [] } = words;
  if (Object.hasOwn(named, word)) return named[word];
  if (!word.startsWith(prefix) || !word.endsWith(suffix)) return undefined;
  const digits = word.slice(prefix.length, word.length - suffix.length);
  if (digits.length > 9 || !/^\d+(?:\.\d+)?$/.test(digits)) return undefined;
  const [, fraction = ""] = digits.split(".");
  const value = Number(digits);
  const allowed = value >= least && value <= most && fraction.length <= decimals && !refused.includes(value);
  return allowed ? value : undefined;
}

function wordFor(words: WordSpec["words"], value: SettingValue | undefined): string | undefined {
  if (value === undefined) return undefined;
  const named = Object.entries(words.kind === "choice" ? words.values : (words.named ?? {}));
  const [word] = named.find(([, candidate]) => candidate === value) ?? [];
  if (word !== undefined || words.kind === "choice") return word;
  return `${words.prefix ?? ""}${value}${words.suffix ?? ""}`;
}

function combinations(specs: readonly WordSpec[]): TargetSettings[] {
  return specs.reduce<TargetSettings[]>(
    (found, { key, examples = [] }) =>
      found.flatMap((settings) => examples.map((value) => ({ ...settings, [key]: value }))),
    [{}],
  );
}

function unknownWord(specs: readonly WordSpec[], word: string): UsageError {
  const shown = bounded(word, 40);
  const out = specs.find(({ words }) => words.kind === "number" && isNumberOf(words, word));
  if (out?.words.kind === "number") {
    const { decimals = 0 } = out.words;
    const digits = decimals === 0 ? "" : `, with at most ${decimals} digits after the point`;
    return new UsageError(`"${shown}" is out of range: ${spoken(out.key)} is ${wordsOf(out)}${digits}.`, {
      hint: `Choose one of them${examplesOf(out)}.`,
    });
  }
  const units = specs.flatMap(({ words }) => {
    if (words.kind === "choice") return [];
    const whole = `${words.prefix ?? ""}${word}${words.suffix ?? ""}`;
    return numberOf(words, whole) === undefined ? [] : [whole];
  });
  const known = specs.flatMap((spec) => [
    ...(spec.words.kind === "choice" ? Object.keys(spec.words.values) : Object.keys(spec.words.named ?? {})),
    ...(spec.examples ?? []).flatMap((value) => wordFor(spec.words, value) ?? []),
  ]);
  const meant = units.length > 0 ? ` Did you mean ${units.join(" or ")}?` : didYouMean(word, known);
  return new UsageError(`"${shown}" is not a word of this target.${meant}`, {
    hint: `Its words are: ${specs.map((spec) => `${wordsOf(spec)} (${spoken(spec.key)})`).join("; ")}.`,
  });
}

/** A number between the right prefix and suffix, whatever its size and sign. */
function isNumberOf({ prefix = "", suffix = "" }: NumberWords, word: string): boolean {
  if (!word.startsWith(prefix) && !word.startsWith(`-${prefix}`)) return false;
  if (!word.endsWith(suffix) || prefix + suffix === "") return false;
  const digits = word.slice(word.indexOf(prefix) + prefix.length, word.length - suffix.length);
  return /^-?\d{1,30}(?:\.\d{1,30})?$/.test(digits);
}

function examplesOf({ words, examples = [] }: WordSpec): string {
  const spelled = examples.flatMap((value) => wordFor(words, value) ?? []);
  return spelled.length === 0 ? "" : `, such as ${spelled.slice(0, 3).join(", ")}`;
}
