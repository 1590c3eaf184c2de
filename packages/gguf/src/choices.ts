/** The GGUF models of a repository or folder, told apart by their names. */
import { parseSplitName } from "./split-plan.ts";

/** One model: a file, or the files of a split set. */
export interface GgufChoice {
  /** The file to open: of a split set the first. */
  readonly file: string;
  readonly files: readonly string[];
  /** Of all its files; undefined where a size is not known. */
  readonly byteLength: number | undefined;
  /** The quantization as its name says it, such as `Q4_K_M` or `UD-Q4_K_XL`; undefined where it says none. */
  readonly quantization: string | undefined;
}

/** A file of the folder: its path, with folders, and its size where it is known. */
export interface NamedFile {
  readonly path: string;
  readonly byteLength?: number | undefined;
}

const QUANTIZATION = /^(?:I?Q\d[A-Z\d_]*|TQ\d_\d|BF16|F16|F32|FP16|FP32|MXFP4[A-Z_]*|NVFP4)$/i;
/** Characters of the longest that is looked for. */
const LONGEST = 24;
/** Files beside a model: the vision part, and importance matrices. */
const COMPANION = /mmproj|imatrix/i;

/** The models among files, the smallest first; vision parts and importance matrices are no models of their own. */
export function ggufChoices(files: Iterable<NamedFile>): GgufChoice[] {
  const sets = new Map<string, NamedFile[]>();
  for (const file of files) {
    if (!/\.gguf$/i.test(file.path)) continue;
    const split = parseSplitName(file.path);
    const key = split === undefined ? file.path : `${split.prefix}-of-${split.count}`;
    const set = sets.get(key);
    if (set === undefined) sets.set(key, [file]);
    else set.push(file);
  }
  const choices = [...sets.values()].map(choiceOf);
  const models = choices.filter(({ file }) => !COMPANION.test(file.slice(file.lastIndexOf("/") + 1)));
  const found = models.length > 0 ? models : choices;
  return found.sort((a, b) => (a.byteLength ?? 0) - (b.byteLength ?? 0) || (a.file < b.file ? -1 : 1));
}

/**
 * The models that a quantization names: those whose names say exactly it, or else those that have it as a word, or
 * else those that say it behind `UD-`. Case does not matter.
 */
export function matchingGgufs(choices: readonly GgufChoice[], quantization: string): GgufChoice[] {
  const asked = quantization.toUpperCase();
  const rules: ((choice: GgufChoice) => boolean)[] = [
    (choice) => choice.quantization === asked,
    (choice) => hasWord(choice.file.toUpperCase(), asked),
    (choice) => choice.quantization === `UD-${asked}`,
  ];
  for (const rule of rules) {
    const matching = choices.filter(rule);
    if (matching.length > 0) return matching;
  }
  return [];
}

function choiceOf(set: readonly NamedFile[]): GgufChoice {
  const files = set.map(({ path }) => path).sort();
  const [file = ""] = files;
  let byteLength: number | undefined = 0;
  for (const each of set) {
    byteLength =
      byteLength === undefined || each.byteLength === undefined ? undefined : byteLength + each.byteLength;
  }
  return { file, files, byteLength, quantization: quantizationOf(file) };
}

/** By the file's own name, or else by the innermost folder that says one. */
function quantizationOf(path: string): string | undefined {
  const stem = parseSplitName(path)?.prefix ?? path.slice(0, -".gguf".length);
  for (const name of stem.split("/").reverse()) {
    const words = name.split(/[-. ]/);
    for (let i = words.length - 1; i >= 0; i--) {
      const word = words[i] ?? "";
      const found = endOfWord(word);
      if (found === undefined) continue;
      const isDynamic = words[i - 1]?.toUpperCase() === "UD" && word === found;
      return `${isDynamic ? "UD-" : ""}${found.toUpperCase()}`;
    }
  }
  return undefined;
}

/** The quantization at the end of a word; what stands before it and an underscore belongs to the model's name. */
function endOfWord(word: string): string | undefined {
  let at = word.length > LONGEST ? word.indexOf("_", word.length - LONGEST) + 1 : 0;
  if (at === 0 && word.length > LONGEST) return undefined;
  for (;;) {
    const end = word.slice(at);
    if (QUANTIZATION.test(end)) return end;
    const next = word.indexOf("_", at);
    if (next < 0) return undefined;
    at = next + 1;
  }
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = text.charAt(at - 1);
    const after = text.charAt(at + word.length);
    if ((before === "" || /[-._/ ]/.test(before)) && (after === "" || /[-./ ]/.test(after))) return true;
  }
  return false;
}
