/** Vocabularies of a tokenizer.json that is SentencePiece's BPE. */
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { field, objectField, textField } from "../json.ts";
import type { Piece } from "./sentencepiece.ts";
import {
  bytePairVocabulary,
  decoderTokens,
  jsonTokens,
  namedSpecials,
  scoresFromMerges,
  tokenTypes,
  type Vocabulary,
  vocabularyEntries,
} from "./vocabulary.ts";

/** The model's own tokens in the order of their ids. */
function textsInOrder(files: HfFiles): string[] {
  const { texts, ids } = vocabularyEntries(files);
  if (ids.every((id, index) => id === index)) return [...texts];
  const order = Array.from(texts, (_, index) => index).sort((a, b) => (ids[a] ?? 0) - (ids[b] ?? 0));
  return order.map((index) => texts[index] ?? "");
}

const BYTE_TOKEN = /^<0x[0-9A-Fa-f]{2}>$/;

/** A tokenizer.json that is SentencePiece's BPE: base vocabulary in order, then the added tokens. */
export function sentencePieceJsonVocabulary(files: HfFiles, visible: readonly string[] = []): Vocabulary {
  const tokens = textsInOrder(files);
  const baseCount = tokens.length;
  const specials = namedSpecials(files);
  const types: number[] = tokens.map((text) => {
    if (BYTE_TOKEN.test(text)) return tokenTypes.byte;
    return specials.has(text) ? tokenTypes.control : tokenTypes.normal;
  });
  const vocabulary = objectField(objectField(files.tokenizerJson, "model"), "vocab");
  const known = new Set<string>();
  const added = [...jsonTokens(files), ...decoderTokens(files)]
    .filter(({ text, id }) => id >= baseCount && field(vocabulary, text) === undefined)
    .sort((a, b) => a.id - b.id);
  for (const { text } of added) {
    if (known.has(text)) continue;
    known.add(text);
    tokens.push(text);
    types.push(specials.has(text) ? tokenTypes.control : tokenTypes.userDefined);
  }
  const shown = types.map((type, id) => (visible.includes(tokens[id] ?? "") ? tokenTypes.userDefined : type));
  return { tokens, types: shown, scores: tokens.map(() => -1000) };
}

/** All tokens with their types, without scores (llama.cpp, conversion/xverse.py). */
export function tokensOnly(files: HfFiles, config: Config): Vocabulary {
  const { tokens, types } = bytePairVocabulary(files, config);
  const added = new Map([...decoderTokens(files), ...jsonTokens(files)].map((token) => [token.id, token]));
  return {
    // a zero byte would end the text
    tokens: tokens.map((text) => (text === "\0" ? "<\0>" : text)),
    types: tokens.map((text, id) => {
      if (text === "\0" || BYTE_TOKEN.test(text)) return tokenTypes.byte;
      const token = added.get(id);
      if (token === undefined) return types[id] ?? tokenTypes.normal;
      return token.special ? tokenTypes.control : tokenTypes.userDefined;
    }),
  };
}

/**
 * The pieces of a SentencePiece model, from the tokenizer.json that was made from it: the same as in tokenizer.model,
 * except for the scores, which come from the order of the merges, and the types of added tokens, which {@link
 * piecesVocabulary} corrects.
 */
export function piecesOfJson(files: HfFiles): readonly Piece[] {
  const model = objectField(files.tokenizerJson, "model");
  const texts = textsInOrder(files);
  const unknown = textField(model, "unk_token");
  const types = texts.map((text) => {
    if (BYTE_TOKEN.test(text)) return tokenTypes.byte;
    return text === unknown ? tokenTypes.unknown : tokenTypes.normal;
  });
  const scores = scoresFromMerges(texts, types, files);
  return texts.map((text, id) => ({ text, score: scores[id] ?? 0, type: types[id] ?? tokenTypes.normal }));
}
