/** A checkpoint's tokenizer as `tokenizer.*` keys (llama.cpp, conversion/base.py; gguf-py, vocab.py). */
import { ConversionError, FormatError, type Metadata, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import {
  arrayField,
  field,
  flagField,
  isJsonObject,
  type JsonObject,
  objectField,
  textField,
} from "../json.ts";
import { bool, numberArray, string, stringArray } from "../metadata-values.ts";
import { spellBytes } from "./byte-spelling.ts";
import { preTokenizerName, preTokenizerSteps, typeWithin } from "./pre-tokenizers.ts";
import { mergesByReplay, mergesOfAllPairs, parseTekken, parseTiktoken } from "./ranked.ts";
import type { TokenizerContext, TokenizerKind, TokenizerRules } from "./rules.ts";
import {
  chatTemplateMetadata,
  readSpecialTokens,
  type SpecialTokens,
  specialTokenMetadata,
} from "./special-tokens.ts";
import { tokenizerJsonOfVocab } from "./vocab-merges.ts";
import {
  bytePairVocabulary,
  decoderTokens,
  jsonTokens,
  mergeStrings,
  scoresFromMerges,
  sentencePieceJsonVocabulary,
  sentencePieceVocabulary,
  tokenTypes,
  type Vocabulary,
} from "./vocabulary.ts";

const likeHint = "Use --like reference.gguf to take the tokenizer from a GGUF of the same model.";

function isSentencePieceJson(files: HfFiles): boolean {
  const model = objectField(files.tokenizerJson, "model");
  const decoder = objectField(files.tokenizerJson, "decoder");
  return (
    textField(model, "type") === "BPE" &&
    flagField(model, "byte_fallback") === true &&
    textField(decoder, "type") === "Sequence"
  );
}

const isThere: Readonly<Record<TokenizerKind, (files: HfFiles) => boolean>> = {
  sentencepiece: (files) => files.tokenizerModel !== undefined,
  "sentencepiece-json": isSentencePieceJson,
  "byte-bpe": (files) => textField(objectField(files.tokenizerJson, "model"), "type") === "BPE",
  gemma4: isSentencePieceJson,
  tekken: (files) => files.tekken !== undefined && files.tokenizerJson === undefined,
  "vocab-merges": (files) => files.vocabJson !== undefined && files.mergesText !== undefined,
  tiktoken: (files) => files.tiktoken !== undefined,
};

function preTokenizerOf(files: HfFiles, architecture: string, added: ReadonlyMap<string, boolean>): string {
  const { tokenizerJson } = files;
  const texts = new Set([...jsonTokens(files), ...decoderTokens(files)].map(({ text }) => text));
  const steps = preTokenizerSteps(field(tokenizerJson, "pre_tokenizer"));
  const name =
    steps &&
    preTokenizerName(steps, {
      architecture,
      ignoreMerges: flagField(objectField(tokenizerJson, "model"), "ignore_merges") === true,
      bosTemplate: added.get("bos") === true,
      normalizer: typeWithin(field(tokenizerJson, "normalizer"), "normalizers", ["NFC", "NFKC"]),
      postProcessor: typeWithin(field(tokenizerJson, "post_processor"), "processors", ["RobertaProcessing"]),
      hasToken: (text) => texts.has(text),
    });
  if (name !== undefined) return name;
  throw new ConversionError("tokenizer.json has a pre-tokenizer that no GGUF name is known for", {
    path: "tokenizer.json",
    hint: likeHint,
  });
}

const normalizerKeys: readonly (readonly [string, (normalizer: JsonObject) => boolean])[] = [
  ["lowercase", (one) => textField(one, "type") === "Lowercase" || bertFlag(one, "lowercase")],
  ["strip_accents", (one) => textField(one, "type") === "StripAccents" || bertFlag(one, "strip_accents")],
  ["nfc", (one) => textField(one, "type") === "NFC"],
];

function bertFlag(normalizer: JsonObject, key: string): boolean {
  return textField(normalizer, "type") === "BertNormalizer" && field(normalizer, key) !== false;
}

function normalizerMetadata(files: HfFiles): [string, MetadataValue][] {
  const outer = objectField(files.tokenizerJson, "normalizer");
  if (outer === undefined) return [];
  const list = (arrayField(outer, "normalizers") ?? [outer]).filter(isJsonObject);
  return normalizerKeys.flatMap(([key, test]): [string, MetadataValue][] =>
    list.some(test) ? [[`tokenizer.ggml.normalizer.${key}`, bool(true)]] : [],
  );
}

interface Written {
  /** All keys in order, where a kind has an order of its own; the rest is then only read. */
  readonly keys?: readonly (readonly [string, MetadataValue])[];
  readonly model: string;
  readonly pre: string | undefined;
  readonly vocabulary: Vocabulary;
  readonly special: SpecialTokens;
  readonly hasNormalizer: boolean;
}

function write(
  kind: TokenizerKind,
  files: HfFiles,
  config: Config,
  architecture: string,
  rules: TokenizerRules,
): Written {
  switch (kind) {
    case "sentencepiece": {
      const model = files.tokenizerModel ?? new Uint8Array(0);
      const vocabulary = sentencePieceVocabulary(files, model, config, rules.strictSpecials === true);
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      return { model: "llama", pre: "default", vocabulary, special, hasNormalizer: false };
    }
    case "sentencepiece-json": {
      const base = sentencePieceJsonVocabulary(files);
      const vocabulary = { ...base, scores: scoresFromMerges(base.tokens, base.types, files) };
      const special = readSpecialTokens(files, vocabulary.tokens.length, rules.roles);
      return { model: "llama", pre: "default", vocabulary, special, hasNormalizer: false };
    }
    case "gemma4": {
      const base = sentencePieceJsonVocabulary(files, rules.visibleTokens);
      const merges = mergeStrings(objectField(files.tokenizerJson, "model"));
      const special = readSpecialTokens(files, undefined, rules.roles);
      return {
        model: "gemma4",
        pre: undefined,
        vocabulary: { ...base, merges },
        special,
        hasNormalizer: false,
      };
    }
    case "vocab-merges": {
      const assembled = { ...files, tokenizerJson: tokenizerJsonOfVocab(files) };
      const vocabulary = bytePairVocabulary(assembled, config);
      // special tokens are looked for in tokenizer.json, which is not there
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(assembled, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, hasNormalizer: false };
    }
    case "tiktoken":
      return writeTiktoken(files, config);
    case "tekken":
      return writeTekken(files);
    case "byte-bpe": {
      const vocabulary = bytePairVocabulary(files, config);
      const special = readSpecialTokens(files, undefined, rules.roles);
      const pre = preTokenizerOf(files, architecture, special.added);
      return { model: "gpt2", pre, vocabulary, special, hasNormalizer: true };
    }
  }
}

/** After the bytes: what ends a text, the two marks of a turn, 205 spare ones (QwenLM/Qwen, tokenization_qwen.py). */
const qwenSpecials: readonly string[] = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  ...Array.from({ length: 205 }, (_, index) => `<|extra_${index}|>`),
];

/** Qwen 1 (llama.cpp, conversion/base.py, `_set_vocab_qwen`). */
function writeTiktoken(files: HfFiles, config: Config): Written {
  const ranked = parseTiktoken(files.tiktoken ?? "");
  const named = [...ranked.map(spellBytes), ...qwenSpecials];
  const size = config.count("vocab_size") ?? named.length;
  if (size < named.length || size > named.length + 1_000_000) {
    throw new FormatError(`config.json says ${size} tokens, qwen.tiktoken has ${named.length}`, {
      path: "config.json",
    });
  }
  const { normal, control, unused } = tokenTypes;
  const special = readSpecialTokens(files, undefined);
  const end = ranked.length;
  if (special.ids.size === 0) special.ids.set("bos", end).set("eos", end);
  if (!special.ids.has("unk")) special.ids.set("unk", end);
  const typeOf = (id: number): number => (id < end ? normal : id < named.length ? control : unused);
  return {
    model: "gpt2",
    pre: "qwen2",
    vocabulary: {
      tokens: Array.from({ length: size }, (_, id) => named[id] ?? `[PAD${id}]`),
      types: Array.from({ length: size }, (_, id) => typeOf(id)),
      merges: mergesByReplay(ranked),
    },
    special,
    hasNormalizer: false,
  };
}

/** Mistral's own format (llama.cpp, conversion/base.py, `_set_vocab_mistral`). */
function writeTekken(files: HfFiles): Written {
  const { tokens: ranked, specials } = parseTekken(files.tekken ?? {});
  const tokens = [...specials, ...ranked.map(spellBytes)];
  const types = tokens.map((_, id) => (id < specials.length ? tokenTypes.control : tokenTypes.normal));
  const merges = mergesOfAllPairs(ranked);
  const idOf = (text: string): number => {
    const id = specials.indexOf(text);
    if (id < 0) throw new FormatError(`tekken.json has no ${text}`, { path: "tekken.json" });
    return id;
  };
  const eos = idOf("</s>");
  const roles: readonly (readonly [string, number])[] = [
    ["bos", idOf("<s>")],
    ["eos", eos],
    ["unk", idOf("<unk>")],
    ["pad", specials.includes("<pad>") ? idOf("<pad>") : eos],
  ];
  const special: SpecialTokens = {
    ids: new Map(roles),
    added: new Map([
      ["bos", true],
      ["eos", false],
    ]),
  };
  const template: readonly (readonly [string, MetadataValue])[] =
    files.chatTemplate === undefined ? [] : [["tokenizer.chat_template", string(files.chatTemplate)]];
  return {
    keys: [
      ["tokenizer.ggml.model", string("gpt2")],
      ["tokenizer.ggml.pre", string("tekken")],
      ["tokenizer.ggml.merges", stringArray(merges)],
      ...specialTokenMetadata({ ids: special.ids, added: new Map() }),
      ["tokenizer.ggml.tokens", stringArray(tokens)],
      // whole numbers: that is how the zeros stand there
      ["tokenizer.ggml.scores", numberArray("i32", new Array<number>(tokens.length).fill(0))],
      ["tokenizer.ggml.token_type", numberArray("i32", types)],
      ...specialTokenMetadata({ ids: new Map(), added: special.added }),
      ...template,
    ],
    model: "gpt2",
    pre: "tekken",
    vocabulary: { tokens, types, merges },
    special,
    hasNormalizer: false,
  };
}

/**
 * The `tokenizer.*` keys of a checkpoint, set into `metadata` in order. Returns what was assumed.
 * @throws ConversionError when there is no tokenizer that the family's class could read.
 */
export function addTokenizerMetadata(
  metadata: Map<string, MetadataValue>,
  files: HfFiles,
  config: Config,
  architecture: string,
  rules: TokenizerRules,
): readonly string[] {
  const kind = rules.kinds.find((candidate) => isThere[candidate](files));
  if (kind === undefined) {
    const type = textField(objectField(files.tokenizerJson, "model"), "type");
    throw new ConversionError(
      type === undefined
        ? "there is no tokenizer.json or tokenizer.model that can be mapped"
        : `tokenizer.json is a ${type} model, which a ${architecture} GGUF is not written from`,
      { path: "tokenizer.json", hint: likeHint },
    );
  }
  const written = write(kind, files, config, architecture, rules);
  const { model, pre, vocabulary, special, hasNormalizer } = written;
  const idOf = new Map(vocabulary.tokens.map((text, id) => [text, id]));
  const context: TokenizerContext = {
    files,
    config,
    metadata: metadata as Metadata,
    tokenId: (text) => idOf.get(text),
  };
  const put = (values: Iterable<readonly [string, MetadataValue]>): void => {
    for (const [key, value] of values) metadata.set(key, value);
  };
  if (written.keys !== undefined) {
    put(written.keys);
    return files.chatTemplate === undefined ? ["tokenizer.chat_template: tekken.json holds none"] : [];
  }
  for (const extra of rules.before ?? []) put(extra(context));
  metadata.set("tokenizer.ggml.model", string(model));
  if (pre !== undefined) metadata.set("tokenizer.ggml.pre", string(pre));
  metadata.set("tokenizer.ggml.tokens", stringArray(vocabulary.tokens));
  if (vocabulary.scores !== undefined)
    metadata.set("tokenizer.ggml.scores", numberArray("f32", vocabulary.scores));
  metadata.set("tokenizer.ggml.token_type", numberArray("i32", vocabulary.types));
  if (vocabulary.merges !== undefined && vocabulary.merges.length > 0) {
    metadata.set("tokenizer.ggml.merges", stringArray(vocabulary.merges));
  }
  for (const extra of rules.between ?? []) put(extra(context));
  for (const [role, text] of rules.rolesByText ?? []) {
    const id = idOf.get(text);
    if (id !== undefined && !special.ids.has(role)) special.ids.set(role, id);
  }
  put(specialTokenMetadata(special));
  put(chatTemplateMetadata(files));
  if (hasNormalizer) put(normalizerMetadata(files));
  for (const extra of rules.after ?? []) put(extra(context));
  return kind === "sentencepiece-json"
    ? ["tokenizer.ggml.scores: from the order of the merges, as there is no tokenizer.model"]
    : [];
}
