/** Which words of a file may stand in a report that a person attaches to a public page: only words of closed forms. */

/** Beginnings of the access tokens of well-known services. */
const TOKEN_START =
  /^(?:hf_|sk-|sk_|pk_|rk_|gh[a-z]_|github_|glpat|npm_|pypi-|xox[a-z]-|akia|asia|aiza|ya29|eyj|bearer)/i;

/** Longer words are no names that programs give to tensors and settings. */
const LONGEST = 40;

/** Standing in for a word that is left out. */
export const HIDDEN = "(hidden)";

/** A name as programs choose them: letters, digits and underscores, and no form that a key or an address has. */
export function isHarmlessWord(word: string): boolean {
  if (word.length > LONGEST || !/^[A-Za-z0-9_-]+$/.test(word)) return false;
  return !TOKEN_START.test(word) && !word.split(/[_-]/).some(looksRandom);
}

/** A long run of letters and digits that no language has. */
function looksRandom(part: string): boolean {
  if (/^[0-9a-f]{12,}$/i.test(part)) return true;
  const changes = part.match(/[0-9](?=[A-Za-z])|[A-Za-z](?=[0-9])/g) ?? [];
  return part.length >= 16 && changes.length >= 3;
}

/** A dotted name with each number as `*` and each unusual word hidden: "blk.*.attn_q.weight". */
export function patternOf(name: string): string {
  return eachWord(name, (word) => (/^\d+$/.test(word) ? "*" : word));
}

/** A dotted name that keeps its numbers; unusual words are hidden. */
export function nameOf(name: string): string {
  return eachWord(name, (word) => word);
}

const LONGEST_NAME = 300;

/** A name with other characters is no program's: its parts may be those of an address or of a sentence. */
const ORDINARY_NAME = /^[A-Za-z0-9_.-]+$/;

function eachWord(name: string, shown: (word: string) => string): string {
  if (name.length > LONGEST_NAME || !ORDINARY_NAME.test(name)) return HIDDEN;
  return name
    .split(".")
    .map((part) => (part === "" ? "" : isHarmlessWord(part) ? shown(part) : HIDDEN))
    .join(".");
}

/** A number, a truth value or a harmless word of this program, such as the name of an encoding; other values are hidden. */
export function harmlessValue(value: unknown): string | number | boolean | null {
  if (typeof value === "number" || typeof value === "boolean" || value === null) return value;
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "string") return HIDDEN;
  return value.split(".").every(isHarmlessWord) ? value : HIDDEN;
}

/** Files of a model whose names are the same for everybody. */
const KNOWN_FILES: readonly string[] = [
  "config.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.json",
  "merges.txt",
  "chat_template.jinja",
  "chat_template.json",
  "quantize_config.json",
  "quantization_config.json",
  "quant_config.json",
  "hf_quant_config.json",
  "adapter_config.json",
  "preprocessor_config.json",
  "processor_config.json",
  "params.json",
  "model.safetensors",
  "model.safetensors.index.json",
  "pytorch_model.bin",
  "README.md",
];

/** The name of a well-known file; of every other file the ending alone, and that only where it is a known one. */
export function fileKind(path: string): string {
  const name = path.split(/[/\\]/).at(-1) ?? "";
  if (KNOWN_FILES.includes(name)) return name;
  const [ending = ""] = /\.(?:gguf|safetensors|json|bin|pth?|npz|txt|md|jinja|py)$/.exec(name) ?? [];
  return `*${ending}`;
}
