/** `tokenizer.*` keys as Hugging Face files: tokenizer.json, tokenizer_config.json, special_tokens_map.json and tokenizer.model. */

import { type Finding, FormatError, type Metadata } from "@requant/core";
import type { JsonObject, JsonValue } from "../json.ts";
import { boolOf, numberOf, numbersOf, stringOf, stringsOf } from "../metadata-values.ts";
import { note } from "../note.ts";
import { plamoPath, plamoTokensFile } from "./plamo.ts";
import type { TokenizerRules } from "./rules.ts";
import { rwkvPath, rwkvVocabularyFile } from "./rwkv.ts";
import { type Piece, pieceTypes, serializeSentencePiece } from "./sentencepiece.ts";
import { roleKeys, tokenRoles } from "./special-tokens.ts";
import {
  addedTokens,
  byteBpeJson,
  type GgufTokenizer,
  sentencePieceJson,
  type Token,
} from "./tokenizer-json.ts";
import { unigramJson, unigramModel } from "./unigram.ts";
import { tokenTypes } from "./vocabulary.ts";
import { wordPieceJson } from "./wordpiece.ts";

export interface HfTokenizer {
  readonly files: ReadonlyMap<string, JsonObject | Uint8Array>;
  /** Ids by role, for config.json and generation_config.json. */
  readonly ids: ReadonlyMap<string, number>;
  readonly tokenCount: number;
  readonly findings: readonly Finding[];
  /** Why there are no tokenizer files; undefined when there are. */
  readonly leftOut?: string;
}

function readTokens(metadata: Metadata, isSentencePiece: boolean): readonly Token[] {
  const texts = stringsOf(metadata.get("tokenizer.ggml.tokens")) ?? [];
  const types = numbersOf(metadata.get("tokenizer.ggml.token_type"));
  const scores = numbersOf(metadata.get("tokenizer.ggml.scores"));
  for (const [name, list] of [
    ["token_type", types],
    ["scores", scores],
  ] as const) {
    if (list !== undefined && list.length !== texts.length) {
      throw new FormatError(
        `The key tokenizer.ggml.${name} has ${list.length} entries for ${texts.length} tokens.`,
      );
    }
  }
  return texts.map((text, id) => {
    const type = types?.[id] ?? tokenTypes.normal;
    // GGUF has real spaces in user-defined tokens, SentencePiece's tokenizer.json does not
    const own = isSentencePiece && type === tokenTypes.userDefined ? text.replaceAll(" ", "▁") : text;
    return { id, text: own, type, score: scores?.[id] ?? 0 };
  });
}

function readRoles(
  metadata: Metadata,
  tokens: readonly Token[],
  rules: TokenizerRules,
): { ids: Map<string, number>; added: Map<string, boolean> } {
  const found: (readonly [role: string, id: number])[] = [];
  const added = new Map<string, boolean>();
  for (const [key, value] of metadata) {
    const role = Object.entries(roleKeys).find(([, roleKey]) => roleKey === key)?.[0];
    // a class that writes ids of its own hides those of the files; the unknown token is known by its text
    const isOwn = rules.ownKeys?.includes(key) === true;
    const id = isOwn ? tokens.findIndex(({ text }) => text === `<${role}>`) : numberOf(value);
    if (role !== undefined && id !== undefined && id >= 0 && id < tokens.length) found.push([role, id]);
    const addedRole = /^tokenizer\.ggml\.add_(bos|eos|sep)_token$/.exec(key)?.[1];
    const flag = boolOf(value);
    if (addedRole === undefined || flag === undefined) continue;
    if (!isOwn) added.set(addedRole, flag);
    // a class that adds a token of its own accord hides that the files add neither a first nor a last one
    else if (flag && metadata.has("tokenizer.ggml.add_eos_token")) added.set(addedRole, false);
  }
  const byClass = ([role, id]: readonly [string, number]): boolean =>
    rules.rolesByText?.some(([one, text]) => one === role && tokens[id]?.text === text) === true;
  // roles that the class gives follow those of the files
  const lastOfFiles = found.findLastIndex((one) => !byClass(one));
  const ids = new Map(
    found.filter(([role], place) => place <= lastOfFiles || role === "eos" || role === "pad"),
  );
  // the files name the end of a turn as the end
  const turn = ids.get("eot");
  if (rules.listsEnds && turn !== undefined) ids.set("eos", turn).delete("eot");
  return { ids, added };
}

/** The mask, which llama.cpp's converter does not find in XLM-RoBERTa's sentencepiece.bpe.model, has its name again. */
function withMask(tokens: readonly Token[], ids: ReadonlyMap<string, number>): readonly Token[] {
  const mask = tokens[ids.get("mask") ?? -1];
  if (mask === undefined || mask.type !== tokenTypes.unused) return tokens;
  const named = { ...mask, text: "<mask>", type: tokenTypes.control, score: 0 };
  return tokens.map((token) => (token === mask ? named : token));
}

/** tokenizer.model with every piece, score and type that the GGUF holds. */
function sentencePieceModel({ tokens, ids, metadata }: GgufTokenizer): Uint8Array {
  const { control, userDefined, unused } = tokenTypes;
  const end =
    tokens.findLastIndex(({ type }) => type !== control && type !== userDefined && type !== unused) + 1;
  const unknown = Math.max(ids.get("unk") ?? tokens.findIndex(({ type }) => type === tokenTypes.unknown), 0);
  const pieces = tokens.slice(0, end).map(({ text, type, score, id }): Piece => {
    if (id === unknown) return { text, score: score === -1000 ? 0 : score, type: pieceTypes.unknown };
    return {
      text,
      score: score === -1000 ? 0 : score,
      type,
    };
  });
  const prefix = boolOf(metadata.get("tokenizer.ggml.add_space_prefix")) ?? true;
  return serializeSentencePiece(
    pieces,
    { unknown, bos: ids.get("bos"), eos: ids.get("eos"), pad: ids.get("pad") },
    { modelType: 2, addDummyPrefix: prefix, removeExtraWhitespaces: false, charsmap: new Uint8Array(0) },
  );
}

/**
 * Roles that tokenizer_config.json names. Those that follow came from config.json and stay there: the first of them is out of
 * order, or an ordinary token, of which tokenizer_config.json knows nothing.
 */
function namedRoles(ids: ReadonlyMap<string, number>, tokens: readonly Token[]): readonly string[] {
  let last = -1;
  let isNamed = true;
  return [...ids].flatMap(([role, id]) => {
    const place = tokenRoles.indexOf(role);
    if (place < 0) return [];
    if (place <= last || tokens[id]?.type === tokenTypes.normal) isNamed = false;
    last = place;
    return isNamed ? [role] : [];
  });
}

/** `<role>_token` with the text of its token. */
function namedTexts(roles: readonly string[], { tokens, ids }: GgufTokenizer): JsonObject {
  return Object.fromEntries(
    roles.map((role): [string, JsonValue] => [`${role}_token`, tokens[ids.get(role) ?? 0]?.text ?? ""]),
  );
}

function templates(metadata: Metadata): JsonValue | undefined {
  const standard = stringOf(metadata.get("tokenizer.chat_template"));
  const named = [...metadata].flatMap(([key, value]): JsonObject[] => {
    const name = /^tokenizer\.chat_template\.(.+)$/.exec(key)?.[1];
    const template = stringOf(value);
    return name === undefined || template === undefined ? [] : [{ name, template }];
  });
  if (named.length === 0) return standard;
  return standard === undefined ? named : [{ name: "default", template: standard }, ...named];
}

function configFile(
  gguf: GgufTokenizer,
  isSentencePiece: boolean,
  contextLength: number | undefined,
): JsonObject {
  const { tokens, ids, added, metadata } = gguf;
  const config = new Map<string, JsonValue>();
  // the scores of SentencePiece show which tokens were added by this table
  const decoder = addedTokens(gguf).filter(
    ({ id }) => !isSentencePiece || tokens[Number(id)]?.score === -1000,
  );
  config.set(
    "added_tokens_decoder",
    Object.fromEntries(decoder.map(({ id, ...rest }) => [String(id), rest as JsonObject])),
  );
  for (const role of ["bos", "eos"]) {
    const flag = added.get(role);
    if (flag !== undefined) config.set(`add_${role}_token`, flag);
  }
  const prefix = boolOf(metadata.get("tokenizer.ggml.add_space_prefix"));
  if (prefix !== undefined) config.set("add_prefix_space", prefix);
  for (const role of namedRoles(ids, tokens))
    config.set(`${role}_token`, tokens[ids.get(role) ?? 0]?.text ?? "");
  const template = templates(metadata);
  if (template !== undefined) config.set("chat_template", template);
  config.set("clean_up_tokenization_spaces", false);
  if (contextLength !== undefined) config.set("model_max_length", contextLength);
  if (isSentencePiece) config.set("legacy", false);
  config.set(
    "tokenizer_class",
    !isSentencePiece
      ? "PreTrainedTokenizerFast"
      : gguf.rules.json === "gemma"
        ? "GemmaTokenizer"
        : "LlamaTokenizer",
  );
  return Object.fromEntries(config);
}

/** tokenizer.json by `tokenizer.ggml.model`, or why there is none. */
const writers: Readonly<Record<string, (gguf: GgufTokenizer) => JsonObject | string>> = {
  llama: sentencePieceJson,
  gemma4: sentencePieceJson,
  gpt2: byteBpeJson,
  bert: wordPieceJson,
  t5: unigramJson,
};

interface VocabularyFile {
  readonly path: string;
  /** `tokenizer_class` of tokenizer_config.json. */
  readonly className: string;
  write(tokens: readonly Token[]): string;
}

/** The file of a vocabulary that tokenizer.json cannot hold, by `tokenizer.ggml.model`. */
const vocabularyFiles: Readonly<Record<string, VocabularyFile>> = {
  rwkv: { path: rwkvPath, className: "RwkvTokenizer", write: rwkvVocabularyFile },
  plamo2: { path: plamoPath, className: "Plamo2Tokenizer", write: plamoTokensFile },
};

/**
 * The tokenizer files of a GGUF.
 * @throws FormatError when the keys contradict each other.
 */
export function tokenizerFiles(
  metadata: Metadata,
  rules: TokenizerRules,
  contextLength: number | undefined,
): HfTokenizer {
  const model = stringOf(metadata.get("tokenizer.ggml.model"));
  const isSentencePiece = model === "llama" || model === "gemma4";
  const stored = readTokens(metadata, isSentencePiece);
  const { ids, added } = readRoles(metadata, stored, rules);
  const tokens = withMask(stored, ids);
  const files = new Map<string, JsonObject | Uint8Array>();
  const findings: Finding[] = [];
  const none = (reason: string): HfTokenizer => ({
    files,
    ids,
    tokenCount: tokens.length,
    findings,
    leftOut: reason,
  });
  if (tokens.length === 0 || model === undefined) return none("the GGUF holds no tokenizer");
  const gguf: GgufTokenizer = { metadata, tokens, ids, added, rules };
  const own = Object.hasOwn(vocabularyFiles, model) ? vocabularyFiles[model] : undefined;
  if (own !== undefined) {
    files.set(own.path, new TextEncoder().encode(own.write(tokens)));
    files.set("tokenizer_config.json", {
      ...configFile(gguf, false, contextLength),
      ...namedTexts(
        tokenRoles.filter((role) => ids.has(role)),
        gguf,
      ),
      tokenizer_class: own.className,
    });
    return { files, ids, tokenCount: tokens.length, findings };
  }
  const writer = Object.hasOwn(writers, model) ? writers[model] : undefined;
  if (writer === undefined) {
    return none(`a ${model} tokenizer is not written as tokenizer.json; copy it from the original model`);
  }
  const json = writer(gguf);
  if (typeof json === "string") return none(json);
  files.set("tokenizer.json", json);
  if (model === "llama") {
    files.set("tokenizer.model", sentencePieceModel(gguf));
    findings.push(
      note(
        "assumed",
        "Assumed for tokenizer.model: identity normalization, and scores of 0 for added tokens, as a GGUF keeps neither.",
        { path: "tokenizer.model" },
      ),
    );
  }
  if (rules.kinds.includes("t5-sentencepiece") && model === "t5")
    files.set("spiece.model", unigramModel(gguf));
  const config = configFile(gguf, isSentencePiece, contextLength);
  files.set("tokenizer_config.json", config);
  files.set("special_tokens_map.json", namedTexts(namedRoles(ids, tokens), gguf));
  findings.push(
    note(
      "assumed",
      "Assumed for added tokens: lstrip, rstrip, single_word and normalized are false, as a GGUF keeps none of them.",
      { path: "tokenizer.json" },
    ),
  );
  return { files, ids, tokenCount: tokens.length, findings };
}
