/** WordPiece, the tokenizer of BERT: `bert` in GGUF (llama.cpp, conversion/bert.py `set_vocab`). */
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import type { JsonObject } from "../json.ts";
import { boolOf } from "../metadata-values.ts";
import { readSpecialTokens } from "./special-tokens.ts";
import { addedTokens, type GgufTokenizer } from "./tokenizer-json.ts";
import { bytePairVocabulary, tokenTypes } from "./vocabulary.ts";
import type { Written } from "./written.ts";

/** GGUF marks the beginnings of words with a space; tokenizer.json marks the continuation of a word with two hashes. */
function asPhantom(text: string, type: number): string {
  if (type === tokenTypes.control) return text;
  return text.startsWith("##") ? text.slice(2) : `▁${text}`;
}

/**
 * llama.cpp cuts all WordPiece texts alike and does not read `tokenizer.ggml.pre` for it; its converter finds the name by
 * a hash of some encoded text. The published names belong to BERT's English and Chinese vocabularies.
 */
const publishedNames: ReadonlyMap<number, string> = new Map([
  [30522, "bert-bge"],
  [21128, "bert-bge-large"],
]);

export function writeWordPiece(files: HfFiles, config: Config): Written {
  const { tokens, types } = bytePairVocabulary(files, config);
  const vocabulary = { tokens: tokens.map((text, id) => asPhantom(text, types[id] ?? 0)), types };
  return {
    model: "bert",
    pre: publishedNames.get(tokens.length) ?? "jina-v1-en",
    vocabulary,
    special: readSpecialTokens(files, tokens.length),
    normalizedBy: files.tokenizerJson,
  };
}

function ofPhantom(text: string, type: number): string {
  if (type === tokenTypes.control) return text;
  return text.startsWith("▁") ? text.slice(1) : `##${text}`;
}

const processorOf = ({ tokens, ids }: GgufTokenizer): JsonObject | null => {
  const cls = ids.get("bos");
  const sep = ids.get("sep") ?? ids.get("eos");
  if (cls === undefined || sep === undefined) return null;
  const special = (id: number, typeId: number): JsonObject => ({
    SpecialToken: { id: tokens[id]?.text ?? "", type_id: typeId },
  });
  const sequence = (id: string, typeId: number): JsonObject => ({ Sequence: { id, type_id: typeId } });
  return {
    type: "TemplateProcessing",
    single: [special(cls, 0), sequence("A", 0), special(sep, 0)],
    pair: [special(cls, 0), sequence("A", 0), special(sep, 0), sequence("B", 1), special(sep, 1)],
    special_tokens: Object.fromEntries(
      [cls, sep].map((id) => {
        const text = tokens[id]?.text ?? "";
        return [text, { id: text, ids: [id], tokens: [text] }];
      }),
    ),
  };
};

/** tokenizer.json of a WordPiece vocabulary. */
export function wordPieceJson(gguf: GgufTokenizer): JsonObject {
  const { tokens, ids, metadata } = gguf;
  const setting = (key: string): boolean | undefined =>
    boolOf(metadata.get(`tokenizer.ggml.normalizer.${key}`));
  const own = tokens.filter(({ type }) => type !== tokenTypes.unused);
  return {
    version: "1.0",
    truncation: null,
    padding: null,
    added_tokens: addedTokens(gguf),
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: true,
      strip_accents: setting("strip_accents") ?? null,
      lowercase: setting("lowercase") ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    post_processor: processorOf(gguf),
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      unk_token: tokens[ids.get("unk") ?? -1]?.text ?? "[UNK]",
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: Object.fromEntries(own.map(({ text, type, id }) => [ofPhantom(text, type), id])),
    },
  };
}
