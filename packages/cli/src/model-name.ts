/** What the words in a model's name say. Conventions of the people who publish models: nothing checks that they are true. */
import { withoutTrailing } from "@requant/core/text";
import { type Found, nameRules } from "./name-rules.ts";

export interface NamePart {
  readonly text: string;
  readonly meaning: string;
}

export interface ExplainedName {
  readonly owner?: string | undefined;
  readonly parts: readonly NamePart[];
  /** Words that mean nothing to us: mostly the model's own name. */
  readonly unknown: readonly string[];
  readonly parameters?: number | undefined;
  readonly bitsPerWeight?: number | undefined;
  /** The target of `convert` that makes such a model; undefined where there is none. */
  readonly target?: string | undefined;
  /** What that target does to floats, where it is less than the format's own tools do. */
  readonly rounding?: string | undefined;
}

/** What targets know about words, asked where no convention does. Words are lowercase. */
export interface NameFormats {
  /** Names of formats, and words of theirs, that have a hyphen inside. */
  readonly compounds: readonly string[];
  readonly names: readonly string[];
  /** What a word sets in a format; undefined for a word of none. */
  aboutWord(word: string): string | undefined;
  /** The canonical spelling of a format and words of it, and what it does to floats; undefined where there is no such target. */
  spell(format: string, words: readonly string[]): Spelled;
}

type Spelled = Pick<ExplainedName, "target" | "rounding"> | undefined;

/** Takes a name, a repository or a file name apart. */
export function explainName(name: string, formats: NameFormats): ExplainedName {
  const path = withoutTrailing(name.trim(), "/\\");
  const slash = Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\"));
  const owner = slash > 0 ? path.slice(0, slash) : undefined;
  const file = path.slice(slash + 1);
  const extension = /\.(gguf|safetensors|ggml|bin)$/i.exec(file)?.[1];
  const found: Found = { words: [] };
  const parts: NamePart[] = [];
  const unknown: string[] = [];
  const stem = file.slice(0, extension === undefined ? undefined : -extension.length - 1);
  const words = wordsOf(stem, formats);
  for (const text of words) {
    const meaning = meaningOf(text, found, formats);
    if (meaning === undefined) unknown.push(text);
    else parts.push({ text, meaning });
  }
  if (extension !== undefined) {
    if (formats.names.includes(extension.toLowerCase())) found.method ??= extension.toLowerCase();
    parts.push({ text: `.${extension}`, meaning: extensionMeaning(extension) });
  }
  const target = adjacentTarget(words, formats) ?? targetOf(found, formats);
  return {
    ...(owner === undefined ? {} : { owner }),
    parts,
    unknown,
    ...(found.parameters === undefined ? {} : { parameters: found.parameters }),
    ...(found.bitsPerWeight === undefined ? {} : { bitsPerWeight: found.bitsPerWeight }),
    ...target,
  };
}

function meaningOf(text: string, found: Found, formats: NameFormats): string | undefined {
  for (const { pattern, explain } of nameRules) {
    const match = pattern.exec(text);
    const meaning = match === null ? undefined : explain(match, found);
    if (meaning !== undefined) return meaning;
  }
  const word = text.toLowerCase();
  if (formats.names.includes(word)) {
    found.method ??= word;
    return `stored as ${word}`;
  }
  const about = formats.aboutWord(word);
  if (about !== undefined) found.words.push(word);
  return about;
}

/** Words that have hyphens inside, besides those of targets. */
const COMPOUND = /\d{5}-of-\d{5}|UD-I?Q\d_[A-Za-z0-9_]+|act-order/i;

/** Where the first word with hyphens inside stands, and how long it is; of several at one place the longest. */
function firstCompound(text: string, compounds: readonly string[]): readonly [at: number, length: number] {
  const match = COMPOUND.exec(text);
  let first: readonly [number, number] = match === null ? [text.length, 0] : [match.index, match[0].length];
  const lower = text.toLowerCase();
  for (const word of compounds) {
    const at = lower.indexOf(word.toLowerCase());
    if (at >= 0 && (at < first[0] || (at === first[0] && word.length > first[1]))) first = [at, word.length];
  }
  return first;
}

/** Split at hyphens and blanks, and at dots and underscores that no word of ours has inside. */
function wordsOf(stem: string, formats: NameFormats): string[] {
  const words: string[] = [];
  for (let rest = stem; rest !== ""; ) {
    const [at, length] = firstCompound(rest, formats.compounds);
    for (const word of rest.slice(0, at).split(/[-\s]+/)) words.push(word);
    words.push(rest.slice(at, at + length));
    rest = rest.slice(at + length);
  }
  return words.flatMap((word) => splitWord(word, formats)).filter((text) => text !== "");
}

/** "model.Q4_K_M" and "4bit_128g" are two words; "actorder_True", "Q4_K_M" and "v0.1" are one. */
function splitWord(text: string, formats: NameFormats): string[] {
  const isWord = (word: string): boolean => meaningOf(word, { words: [] }, formats) !== undefined;
  if (isWord(text)) return [text];
  for (const mark of [".", "_"]) {
    const at = text.lastIndexOf(mark);
    if (at > 0 && isWord(text.slice(at + 1))) {
      return [...splitWord(text.slice(0, at), formats), text.slice(at + 1)];
    }
  }
  const typed = /^(.+)[._](I?Q\d_[A-Z0-9_]{1,16})$/i.exec(text);
  return typed?.[1] === undefined || typed[2] === undefined
    ? [text]
    : [...splitWord(typed[1], formats), typed[2]];
}

function extensionMeaning(extension: string): string {
  switch (extension.toLowerCase()) {
    case "gguf":
      return "a GGUF file: weights, tokenizer and settings in one";
    case "safetensors":
      return "a safetensors file: tensors alone";
    default:
      return "a file of before 2023-08, or a Python pickle";
  }
}

/** A format with the words beside it: "fp8-block-128", "nf4-64-double-bitsandbytes"; undefined where they are none of its words. */
function adjacentTarget(found: readonly string[], { names, spell }: NameFormats): Spelled {
  const words = found.flatMap((word) => takenApart(word.toLowerCase(), names));
  const places = words.flatMap((name, at) => (names.includes(name) ? [at] : []));
  for (let count = MOST_WORDS; count > 0; count--) {
    for (const at of places) {
      for (const start of [at + 1, at - count]) {
        const beside = start < 0 ? [] : words.slice(start, start + count);
        const target = beside.length < count ? undefined : spell(words[at] ?? "", beside);
        if (target !== undefined) return target;
      }
    }
  }
  return undefined;
}

/** "fp8-block" is a word of one format; beside other words it is the format fp8 and the first of them. */
function takenApart(word: string, names: readonly string[]): readonly string[] {
  const name = names.find((one) => word.startsWith(`${one}-`));
  return name === undefined ? [word] : [name, ...word.slice(name.length + 1).split("-")];
}

/** The most words of a target that stand right behind or right before the name of its format. */
const MOST_WORDS = 6;

/** The words of the name that its format's target has, too; undefined where one of them is none of its words. */
function targetOf(found: Found, { spell }: NameFormats): Spelled {
  const { method, type, bitsPerWeight, words } = found;
  const typed = [undefined, "gguf", "safetensors"];
  if (type !== undefined && typed.includes(method)) return spell(method ?? "gguf", [type.toLowerCase()]);
  const { numbers } = found;
  // the numbers name a format where no other name does
  if (method === undefined && numbers !== undefined) {
    return spell(
      numbers,
      words.filter((word) => word !== numbers),
    );
  }
  const format = method ?? (bitsPerWeight === undefined ? undefined : "exl2");
  return format === undefined ? undefined : spell(format, [...new Set(words)]);
}
