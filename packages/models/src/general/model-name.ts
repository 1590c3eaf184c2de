/**
 * The parts of a model's name: base name, finetune, version and size, as llama.cpp's converter reads them (gguf-py,
 * metadata.py).
 */

export interface NameParts {
  readonly fullName?: string | undefined;
  readonly organization?: string | undefined;
  readonly basename?: string | undefined;
  readonly finetune?: string | undefined;
  readonly version?: string | undefined;
  readonly sizeLabel?: string | undefined;
}

/** The size that a label in a name is held against. */
export interface NamedSize {
  readonly parameterCount: number;
  /** True where the model may be larger: an adapter need not change all weights. */
  readonly isAtLeast: boolean;
}

type Mark = "basename" | "size" | "finetune" | "version" | "type";

interface Word {
  text: string;
  readonly marks: Set<Mark>;
}

const versionWord = /^(?:v|iter)?\d+(?:[.]\d+)*$/i;
const typeWord = /^(?:i?q\d(?:_\w)*|b?fp?(?:16|32))$/i;
const sizeWord = /^(?:(?:A|\d+x)?\d+(?:[._]\d+)?[KMBT]\d?|small|mini|medium|large|x?xl)$/i;
const finetuneWord = /^(?:chat|instruct|vision|lora)$/i;
const activeSizeWord = /^A\d+(?:[._]\d+)?[KMBT]\d?$/i;

function isDigit(text: string | undefined): boolean {
  return text !== undefined && /^\d$/.test(text);
}

function normalizedSize(word: string): string {
  let label = word.replaceAll("_", ".");
  // bloom writes 7b1 for 7.1B
  if (isDigit(label.at(-1))) label = `${label.slice(0, -2)}.${label.at(-1)}${label.at(-2)}`;
  if (label.length > 1 && isDigit(label.at(-2)) && "kmbt".includes(label.at(-1) ?? " ")) {
    label = label.slice(0, -1) + (label.at(-1) ?? "").toUpperCase();
  }
  return label;
}

/** Parameters that a label such as 7B claims; undefined when it is a word. */
function claimedParameters(label: string): number | undefined {
  const power = " KMBT".indexOf(label.at(-1) ?? "");
  const text = label.slice(0, -1);
  return power >= 0 && /^\d+(?:\.\d+)?$/.test(text) ? Number(text) * 1000 ** power : undefined;
}

function markSize(words: readonly Word[], index: number, size: NamedSize): void {
  const word = words[index];
  if (word === undefined) return;
  const label = normalizedSize(word.text);
  const claimed = claimedParameters(label);
  const { parameterCount, isAtLeast } = size;
  const tolerance = Math.floor((7 * parameterCount) / 8);
  let isContextLength = false;
  if (claimed !== undefined && parameterCount !== 0) {
    const next = words[index + 1];
    const nextLabel = next === undefined || next.text === "" ? undefined : normalizedSize(next.text);
    const active =
      nextLabel !== undefined && activeSizeWord.test(nextLabel)
        ? claimedParameters(nextLabel.slice(1))
        : undefined;
    const activeFits = active !== undefined && Math.abs(active - parameterCount) <= tolerance;
    isContextLength = isAtLeast
      ? claimed < Math.floor(parameterCount / 8)
      : !activeFits && Math.abs(claimed - parameterCount) > tolerance;
  }
  if (isContextLength) {
    word.marks.add("finetune");
    word.text = label.slice(0, -1) + (label.at(-1) ?? "").toLowerCase();
    return;
  }
  if (word.marks.size === 0) word.marks.add("size");
  word.text = label;
}

/** Reads `organization/name` or a bare name. A name with a space is taken whole. */
export function nameParts(id: string, size: NamedSize): NameParts {
  if (id.includes(" ")) return { fullName: id };
  const slash = id.indexOf("/");
  const fullName = slash < 0 ? id : id.slice(slash + 1);
  const owner = slash < 0 ? undefined : id.slice(0, slash);
  const organization = owner?.startsWith(".") ? undefined : owner;

  const words: Word[] = fullName
    .split("-")
    .filter((text) => text !== "")
    .map((text) => ({ text, marks: new Set<Mark>() }));
  words.forEach((word, index) => {
    if (versionWord.test(word.text)) word.marks.add("version");
    else if (typeWord.test(word.text)) {
      word.marks.add("type");
      word.text = word.text.toUpperCase();
    } else if (index > 0 && sizeWord.test(word.text)) markSize(words, index, size);
    // the name of an adapter says again what it is
    else if (index > 0 && size.isAtLeast && /^lora$/i.test(word.text)) word.marks.add("type");
    else if (index > 0 && finetuneWord.test(word.text)) word.marks.add("finetune");
  });
  // a number replaces "small" and the like
  const sizes = words.filter(({ marks }) => marks.has("size"));
  if (sizes.some(({ text }) => /\d/.test(text))) {
    for (const word of sizes) if (/^\p{L}+$/u.test(word.text)) word.marks.delete("size");
  }
  let inBasename = true;
  for (const { text, marks } of words) {
    if (inBasename && ((marks.size === 0 && /^\p{L}/u.test(text)) || marks.has("version")))
      marks.add("basename");
    else {
      inBasename = false;
      if (marks.size === 0) marks.add("finetune");
    }
  }
  for (const { marks } of [...words].reverse()) {
    if (!marks.has("basename") || marks.size < 2) break;
    marks.delete("basename");
  }
  const joined = (list: readonly string[]): string | undefined =>
    list.length === 0 ? undefined : list.join("-");
  const marked = (mark: Mark): string[] =>
    words.filter(({ marks }) => marks.has(mark)).map(({ text }) => text);
  const sizeLabel = joined([...new Set(marked("size"))]);
  const finetune = joined(marked("finetune"));
  const version = joined(
    words.filter(({ marks }) => marks.has("version") && !marks.has("basename")).map(({ text }) => text),
  );
  // a base name alone is too vague
  const basename =
    sizeLabel === undefined && finetune === undefined && version === undefined
      ? undefined
      : joined(marked("basename"));
  return { fullName, organization, basename, finetune, version, sizeLabel };
}

/** `meta-llama-3.1` → `Meta Llama 3.1`: lower-case words are capitalized unless they are versions or begin with a digit. */
export function titleOf(id: string): string {
  const isLower = (word: string): boolean => word === word.toLowerCase() && word !== word.toUpperCase();
  const capitalized = (word: string): string =>
    word.replace(/\p{L}+/gu, (letters) => letters.charAt(0).toUpperCase() + letters.slice(1).toLowerCase());
  return id
    .trim()
    .replaceAll("-", " ")
    .split(/\s+/)
    .filter((word) => word !== "")
    .map((word) => (isLower(word) && !/^(?:v\d+(?:\.\d+)*|\d.*)$/.test(word) ? capitalized(word) : word))
    .join(" ");
}
