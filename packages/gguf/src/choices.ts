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

/** At the end of a word of the name; what stands before it in the word belongs to the model's name. */
const QUANTIZATION = /(?:^|_)(I?Q\d[A-Z\d_]*|TQ\d_\d|BF16|F16|F32|FP16|FP32|MXFP4[A-Z_]*|NVFP4)$/i;
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
      const [, found] = QUANTIZATION.exec(words[i] ?? "") ?? [];
      if (found === undefined) continue;
      const isDynamic = words[i - 1]?.toUpperCase() === "UD" && words[i]?.length === found.length;
      return `${isDynamic ? "UD-" : ""}${found.toUpperCase()}`;
    }
  }
  return undefined;
}

function hasWord(text: string, word: string): boolean {
  for (let at = text.indexOf(word); at >= 0; at = text.indexOf(word, at + 1)) {
    const before = text.charAt(at - 1);
    const after = text.charAt(at + word.length);
    if ((before === "" || /[-._/ ]/.test(before)) && (after === "" || /[-./ ]/.test(after))) return true;
  }
  return false;
}
