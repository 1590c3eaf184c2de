/**
 * The pre-tokenizers of byte-level BPE vocabularies: how tokenizer.json spells each, and its name in
 * `tokenizer.ggml.pre`. llama.cpp's converter recognises a hash of some encoded text; here the JSON structure and its
 * regexes are recognised, so a vocabulary with added tokens is still known (regexes: llama.cpp, src/llama-vocab.cpp, and
 * the published tokenizer.json files). Long because all of them are in one table.
 */
import {
  arrayField,
  field,
  flagField,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  objectField,
  textField,
} from "../json.ts";

/** One step: split by a regex, split digits off, or map bytes (with GPT-2's own regex or without any). */
export type PreStep =
  | { readonly split: string }
  | { readonly digits: "each" | "runs" }
  | { readonly bytes: "plain" | "gpt2" }
  | { readonly punctuation: string };

/** The conditions of one of several names for the same structure. All given conditions must hold. */
interface NameRule {
  readonly name: string;
  readonly architectures?: readonly string[];
  readonly token?: string;
  readonly ignoreMerges?: boolean;
  readonly bosTemplate?: boolean;
  readonly normalizer?: string;
  readonly postProcessor?: string;
  /** True for a structure that is read but never written: another one has the same name. */
  readonly oneWay?: true;
}

export interface PreTokenizer {
  readonly steps: readonly PreStep[];
  /** The first rule whose conditions hold gives the name; the last has no condition. */
  readonly names: readonly NameRule[];
  /** Other names of the same structure, for reading GGUF files. */
  readonly aliases?: readonly string[];
}

/** Properties of a name besides its structure. */
export interface PreTokenizerTraits {
  readonly ignoreMerges?: boolean;
  readonly normalizer?: string;
  /** RoBERTa's way to put special tokens around a text. */
  readonly postProcessor?: "RobertaProcessing";
}

const contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
const whitespaceTail = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
const upper = "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}";
const lower = "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}";

function cl100k(digits: string, letters = "\\p{L}"): string {
  const other = letters === "\\p{L}" ? "[^\\s\\p{L}\\p{N}]" : "[^\\s\\p{L}\\p{M}\\p{N}]";
  return `${contractions}|[^\\r\\n\\p{L}\\p{N}]?${letters}+|${digits}| ?${other}+[\\r\\n]*|${whitespaceTail}`;
}

function o200k(tail: string, digits: string): string {
  return `[^\\r\\n\\p{L}\\p{N}]?[${upper}]*[${lower}]+${tail}|[^\\r\\n\\p{L}\\p{N}]?[${upper}]+[${lower}]*${tail}|${digits}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${whitespaceTail}`;
}

/** From llama.cpp's notes "original regex from tokenizer.json": whitespace is split by powers of two. */
const jaisWhitespace = [512, 256, 128, 64, 32, 16, 8, 4]
  .map((count) => `\\s{${count}}(?!\\S)`)
  .concat("\\s{1,2}(?!\\S)", "\\s{1}")
  .join("|");

const deepseekWords =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

/** Chinese characters, for which JavaScript and Oniguruma have no common name (Unicode 15.1, Scripts.txt, Han). */
const han = [
  [0x2e80, 0x2e99],
  [0x2e9b, 0x2ef3],
  [0x2f00, 0x2fd5],
  [0x3005, 0x3005],
  [0x3007, 0x3007],
  [0x3021, 0x3029],
  [0x3038, 0x303b],
  [0x3400, 0x4dbf],
  [0x4e00, 0x9fff],
  [0xf900, 0xfa6d],
  [0xfa70, 0xfad9],
  [0x16fe2, 0x16fe3],
  [0x16ff0, 0x16ff1],
  [0x20000, 0x2a6df],
  [0x2a700, 0x2b739],
  [0x2b740, 0x2b81d],
  [0x2b820, 0x2cea1],
  [0x2ceb0, 0x2ebe0],
  [0x2ebf0, 0x2ee5d],
  [0x2f800, 0x2fa1d],
  [0x30000, 0x3134a],
  [0x31350, 0x323af],
]
  .map(([first = 0, last = 0]) => `${String.fromCodePoint(first)}-${String.fromCodePoint(last)}`)
  .join("");

/** o200k with runs of Chinese characters of their own (moonshotai/Kimi-K2-Instruct, tokenization_kimi.py). */
function kimi(): string {
  const other = `(?![${han}])`;
  const word = (first: string, last: string): string =>
    `[^\\r\\n\\p{L}\\p{N}]?(?:${other}[${upper}])${first}(?:${other}[${lower}])${last}${contractions}?`;
  return `[${han}]+|${word("*", "+")}|${word("+", "*")}|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|${whitespaceTail}`;
}

/** DeepSeek LLM's tokenizer.json lists these range by range, as of Unicode 12. */
const casedLetters = "[\\p{Lu}\\p{Ll}\\p{Lt}]";

const plain: PreStep = { bytes: "plain" };
const gpt2: PreStep = { bytes: "gpt2" };

export const preTokenizers: readonly PreTokenizer[] = [
  {
    steps: [{ split: cl100k("\\p{N}{1,3}") }, plain],
    names: [
      { name: "llama-bpe", architectures: ["eurobert", "llada"] },
      { name: "glm4", token: "[gMASK]" },
      { name: "lfm2", architectures: ["lfm2", "lfm2moe"] },
      { name: "falcon-h1", architectures: ["falcon-h1"] },
      { name: "llama-bpe", ignoreMerges: true, bosTemplate: true },
      { name: "smaug-bpe", ignoreMerges: true },
      { name: "dbrx" },
    ],
    aliases: ["llama3", "llama-v3", "falcon3", "jina-v5-nano", "pixtral", "midm-2.0", "chatglm-bpe"],
  },
  {
    steps: [{ split: cl100k("\\p{N}") }, plain],
    names: [
      { name: "stablelm2", architectures: ["stablelm"] },
      { name: "stablelm2", token: "<|reg0|>" },
      { name: "hunyuan", architectures: ["hunyuan-moe"] },
      { name: "grok-2", architectures: ["grok"] },
      { name: "solar-open", architectures: ["glm4moe"] },
      { name: "qwen2" },
    ],
    aliases: ["deepseek-r1-qwen", "kormo", "f2llmv2", "megrez"],
  },
  {
    steps: [{ split: cl100k("\\p{N}", "[\\p{L}\\p{M}]") }, plain],
    names: [{ name: "qwen35" }],
  },
  {
    steps: [{ split: o200k(`${contractions}?`, "\\p{N}{1,3}") }, plain],
    names: [
      { name: "llama4", architectures: ["llama4"] },
      { name: "minimax-m2", architectures: ["minimax-m2"] },
      { name: "gpt-4o" },
    ],
    aliases: ["kanana2", "talkie"],
  },
  { steps: [{ split: kimi() }, plain], names: [{ name: "kimi-k2" }] },
  {
    steps: [{ split: o200k("", "\\p{N}") }, plain],
    names: [{ name: "tekken" }],
  },
  {
    steps: [{ split: "\\p{N}{1,3}" }, { split: "[一-龥぀-ゟ゠-ヿ]+" }, { split: deepseekWords }, plain],
    names: [
      { name: "hunyuan-dense", architectures: ["hunyuan-dense"] },
      // models of the family that were made with DeepSeek's tokenizer
      { name: "afmoe", architectures: ["afmoe"], oneWay: true },
      { name: "deepseek-v3" },
    ],
    aliases: ["joyai-llm", "hy_v4"],
  },
  {
    // what llama.cpp does for the name (src/llama-vocab.cpp, unicode.cpp): digits by threes from the right
    steps: [
      { split: "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))" },
      { split: "[一-鿿㐀-䶿豈-﫿぀-ゟ゠-ヿ･-ﾟ⼀-⿟เ-๿຀-໿ក-៿က-႟ꩠ-ꩿꧠ-꧿가-힯ᄀ-ᇿ]+" },
      { split: deepseekWords },
      plain,
    ],
    names: [{ name: "afmoe" }],
  },
  {
    steps: [
      { split: "[\\r\\n]" },
      { split: "\\s?\\p{L}+" },
      { split: "\\s?\\p{P}+" },
      { split: "[一-龥ࠀ-一가-퟿]+" },
      { digits: "each" },
      plain,
    ],
    // DeepSeek-MoE and V2 use the name deepseek-llm; the older deepseek-coder models have exactly the same steps
    names: [{ name: "deepseek-llm", architectures: ["deepseek", "deepseek2"] }, { name: "deepseek-coder" }],
  },
  {
    steps: [
      { split: "[\\r\\n]" },
      { split: `\\s?${casedLetters}+` },
      { split: "\\s?[!-/:-~！-／：-～‘-‟　-。]+" },
      { split: "\\s+$" },
      { split: "[一-龥ࠀ-一가-퟿]+" },
      { digits: "each" },
      plain,
    ],
    names: [{ name: "deepseek-llm" }],
  },
  {
    steps: [gpt2],
    names: [
      { name: "roberta-bpe", postProcessor: "RobertaProcessing" },
      { name: "phi-2", architectures: ["phi2"] },
      { name: "exaone4", architectures: ["exaone4"] },
      { name: "mpt", architectures: ["mpt"] },
      { name: "jais", architectures: ["jais", "jais2"] },
      { name: "modern-bert", architectures: ["modern-bert"] },
      { name: "olmo", normalizer: "NFC" },
      { name: "gpt-2" },
    ],
    aliases: [
      "gigachat",
      "a.x-4.0",
      "mellum",
      "jina-es",
      "jina-de",
      "jina-v2-es",
      "jina-v2-de",
      "jina-v1-en",
      "jina-v2-code",
      "trillion",
      "granite-docling",
    ],
  },
  {
    steps: [{ digits: "each" }, gpt2],
    names: [
      { name: "starcoder", architectures: ["starcoder", "starcoder2"] },
      { name: "refact", architectures: ["refact", "granite", "granitemoe", "granitehybrid"] },
      { name: "codeshell", architectures: ["codeshell"] },
      { name: "exaone", architectures: ["exaone"] },
      { name: "command-r", architectures: ["command-r", "cohere2"] },
      { name: "command-r", normalizer: "NFC" },
      { name: "mellum2", architectures: ["mellum"] },
      { name: "smollm" },
    ],
    aliases: ["minerva-7b"],
  },
  {
    steps: [
      {
        split:
          "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+",
      },
      plain,
    ],
    names: [{ name: "bailingmoe2", architectures: ["bailingmoe2"] }, { name: "bailingmoe" }],
    aliases: ["llada-moe"],
  },
  {
    steps: [
      {
        split: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${whitespaceTail}`,
      },
      plain,
    ],
    names: [{ name: "seed-coder" }],
  },
  {
    steps: [
      { split: "\\d{1,3}(?=(?:\\d{3})*\\b)" },
      { split: o200k(`${contractions}?`, "\\p{N}{1,3}") },
      plain,
    ],
    names: [{ name: "cohere2moe", architectures: ["cohere2moe"] }, { name: "tiny_aya" }],
  },
  {
    steps: [{ split: "\\p{N}{1,3}" }, { split: cl100k("\\p{N}+") }, plain],
    names: [{ name: "minicpm5" }],
  },
  {
    steps: [
      {
        split: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+`,
      },
      plain,
    ],
    names: [{ name: "exaone-moe" }],
  },
  {
    steps: [
      {
        split: `${contractions}|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|${jaisWhitespace}`,
      },
      plain,
    ],
    names: [{ name: "jais-2" }],
  },
  {
    steps: [{ split: " ?[^(\\s|[.,!?…。，、।۔،])]+" }, plain],
    names: [{ name: "bloom" }],
    aliases: ["poro-chat", "gpt3-finnish"],
  },
  {
    steps: [{ punctuation: "Contiguous" }, gpt2, { digits: "runs" }, { split: "[0-9][0-9][0-9]" }],
    names: [{ name: "falcon" }],
  },
];

/** Traits of names whose tokenizer.json sets more than the steps. */
export const preTokenizerTraits: Readonly<Record<string, PreTokenizerTraits>> = {
  "llama-bpe": { ignoreMerges: true },
  llama3: { ignoreMerges: true },
  "llama-v3": { ignoreMerges: true },
  falcon3: { ignoreMerges: true },
  "falcon-h1": { ignoreMerges: true },
  pixtral: { ignoreMerges: true },
  "midm-2.0": { ignoreMerges: true },
  lfm2: { ignoreMerges: true },
  "smaug-bpe": { ignoreMerges: true },
  glm4: { ignoreMerges: true },
  "chatglm-bpe": { ignoreMerges: true },
  tekken: { ignoreMerges: true },
  minicpm5: { ignoreMerges: true },
  "jina-v5-nano": { ignoreMerges: true },
  olmo: { normalizer: "NFC" },
  "modern-bert": { normalizer: "NFC" },
  mpt: { normalizer: "NFC" },
  "roberta-bpe": { postProcessor: "RobertaProcessing" },
};

/**
 * The structure that a `tokenizer.ggml.pre` names: the architecture's own meaning of the name comes before the general
 * one.
 */
export function preTokenizerOfName(name: string, architecture: string): PreTokenizer | undefined {
  const having = (test: (rule: NameRule) => boolean): PreTokenizer | undefined =>
    preTokenizers.find(({ names }) =>
      names.some((rule) => rule.name === name && rule.oneWay !== true && test(rule)),
    );
  return (
    having(({ architectures }) => architectures?.includes(architecture) === true) ??
    having(({ architectures }) => architectures === undefined) ??
    having(() => true) ??
    preTokenizers.find(({ aliases }) => aliases?.includes(name) === true)
  );
}

/** Replaces DeepSeek LLM's list of cased letters by a short character class. */
function withCasedLetters(regex: string): string {
  const start = regex.indexOf("[A-Za-zµÀ-Ö");
  const end = start < 0 ? -1 : regex.indexOf("]", start);
  return end < 0 ? regex : regex.slice(0, start) + casedLetters + regex.slice(end + 1);
}

function canonicalRegex(regex: string): string {
  return (
    withCasedLetters(regex)
      .replaceAll("\r", "\\r")
      .replaceAll("\n", "\\n")
      .replaceAll("\t", "\\t")
      // a quotation mark needs no backslash
      .replaceAll('\\"', '"')
  );
}

/** One step of tokenizer.json; undefined when it is of no known kind. */
function stepOf(json: JsonObject): PreStep | undefined {
  switch (textField(json, "type")) {
    case "Split": {
      const regex = textField(objectField(json, "pattern"), "Regex");
      const behavior = textField(json, "behavior");
      const inverted = flagField(json, "invert") === true;
      // matches are kept: the step either splits around matches or removes the text between them
      const keeps = (behavior === "Isolated" && !inverted) || (behavior === "Removed" && inverted);
      return regex !== undefined && keeps ? { split: canonicalRegex(regex) } : undefined;
    }
    case "Digits":
      return { digits: flagField(json, "individual_digits") === true ? "each" : "runs" };
    case "ByteLevel":
      return { bytes: flagField(json, "use_regex") === false ? "plain" : "gpt2" };
    case "Punctuation":
      return { punctuation: textField(json, "behavior") ?? "Isolated" };
    default:
      return undefined;
  }
}

/** Steps of a tokenizer.json's pre-tokenizer; undefined when a step is of an unknown kind. */
export function preTokenizerSteps(json: JsonValue | undefined): readonly PreStep[] | undefined {
  if (!isJsonObject(json)) return undefined;
  const inner = textField(json, "type") === "Sequence" ? arrayField(json, "pretokenizers") : [json];
  const steps = (inner ?? []).map((step) => (isJsonObject(step) ? stepOf(step) : undefined));
  return steps.every((step): step is PreStep => step !== undefined) ? steps : undefined;
}

export interface PreTokenizerFacts {
  readonly architecture: string;
  readonly ignoreMerges: boolean;
  readonly bosTemplate: boolean;
  readonly normalizer: string | undefined;
  readonly postProcessor: string | undefined;
  hasToken(text: string): boolean;
}

function fits(rule: NameRule, facts: PreTokenizerFacts): boolean {
  return (
    (rule.architectures === undefined || rule.architectures.includes(facts.architecture)) &&
    (rule.token === undefined || facts.hasToken(rule.token)) &&
    (rule.ignoreMerges === undefined || rule.ignoreMerges === facts.ignoreMerges) &&
    (rule.bosTemplate === undefined || rule.bosTemplate === facts.bosTemplate) &&
    (rule.normalizer === undefined || rule.normalizer === facts.normalizer) &&
    (rule.postProcessor === undefined || rule.postProcessor === facts.postProcessor)
  );
}

/** The `tokenizer.ggml.pre` name of these steps, or undefined for an unknown structure. */
export function preTokenizerName(steps: readonly PreStep[], facts: PreTokenizerFacts): string | undefined {
  const wanted = JSON.stringify(steps);
  const structure = preTokenizers.find((candidate) => JSON.stringify(candidate.steps) === wanted);
  return structure?.names.find((rule) => fits(rule, facts))?.name;
}

/** tokenizer.json's pre-tokenizer for these steps. */
export function preTokenizerJson(steps: readonly PreStep[]): JsonObject {
  const byteLevel = (useRegex: boolean): JsonObject => ({
    type: "ByteLevel",
    add_prefix_space: false,
    trim_offsets: true,
    use_regex: useRegex,
  });
  const parts = steps.map((step): JsonObject => {
    if ("split" in step) {
      return { type: "Split", pattern: { Regex: step.split }, behavior: "Isolated", invert: false };
    }
    if ("digits" in step) return { type: "Digits", individual_digits: step.digits === "each" };
    if ("punctuation" in step) return { type: "Punctuation", behavior: step.punctuation };
    return byteLevel(step.bytes === "gpt2");
  });
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : { type: "Sequence", pretokenizers: parts };
}

/** Type of a normalizer or post-processor, looking into a Sequence for the first of `types`. */
export function typeWithin(
  json: JsonValue | undefined,
  list: string,
  types: readonly string[],
): string | undefined {
  if (!isJsonObject(json)) return undefined;
  const type = textField(json, "type");
  if (type === "Sequence") {
    for (const inner of arrayField(json, list) ?? []) {
      const found = typeWithin(inner, list, types);
      if (found !== undefined) return found;
    }
    return undefined;
  }
  return type !== undefined && types.includes(type) && field(json, "type") !== undefined ? type : undefined;
}
