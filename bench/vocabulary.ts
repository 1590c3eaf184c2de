import type { Metadata, MetadataValue } from "@requant/core";
import { randomNumbers } from "./random.ts";

const letters = "etaoinshrdlcumwfgypbvkjxqz";

/** Made-up words of 1 to 17 letters, with the space sign of byte-level BPE in front of some. */
function words(count: number, random: () => number): string[] {
  return Array.from({ length: count }, () => {
    let word = random() < 0.4 ? "Ġ" : "";
    const length = 1 + Math.floor(17 * random() ** 1.3);
    for (let i = 0; i < length; i++) word += letters[Math.floor(26 * random() ** 2)];
    return word;
  });
}

/** The tokenizer keys of a byte-level BPE model, as converters write them. */
export function vocabulary(tokenCount: number, mergeCount: number): Metadata {
  const random = randomNumbers(4);
  const tokens = words(tokenCount, random).map((word, i) => `${word}${i.toString(36)}`);
  const merges = words(mergeCount, random).map((word, i) => `${word} ${letters[i % 26]}${letters[i % 7]}`);
  const strings = (value: readonly string[]): MetadataValue => ({
    type: "array",
    elementType: "string",
    length: value.length,
    value,
  });
  return new Map<string, MetadataValue>([
    ["tokenizer.ggml.model", { type: "string", value: "gpt2" }],
    ["tokenizer.ggml.pre", { type: "string", value: "llama-bpe" }],
    ["tokenizer.ggml.tokens", strings(tokens)],
    [
      "tokenizer.ggml.scores",
      { type: "array", elementType: "f32", length: tokenCount, value: new Float32Array(tokenCount) },
    ],
    [
      "tokenizer.ggml.token_type",
      { type: "array", elementType: "i32", length: tokenCount, value: new Int32Array(tokenCount).fill(1) },
    ],
    ["tokenizer.ggml.merges", strings(merges)],
    ["tokenizer.ggml.bos_token_id", { type: "u32", value: 0 }],
    ["tokenizer.ggml.eos_token_id", { type: "u32", value: 1 }],
  ]);
}

/** A tokenizer.json of so many words, which no text is cut into. */
export function wordTokenizer(wordCount: number): object {
  return {
    version: "1.0",
    added_tokens: [],
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex: true },
    decoder: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(Array.from({ length: wordCount }, (_, id) => [`word${id}`, id])),
      merges: [],
    },
  };
}
