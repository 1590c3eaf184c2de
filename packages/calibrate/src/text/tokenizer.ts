import { Tokenizer } from "@huggingface/tokenizers";
import { FormatError, type Metadata, UnsupportedError } from "@requant/core";

/** Text to tokens. */
export interface TextTokenizer {
  /** Ids without a BOS or EOS. Special tokens that are written out in the text become their ids. */
  encode(text: string): Int32Array;
}

/** The files of a tokenizer. */
export interface TokenizerFiles {
  /** tokenizer.json: of the model's directory, or as `ggufToHf` of `@requant/models` writes it for a GGUF. */
  readonly tokenizer: Uint8Array;
  /** tokenizer_config.json, where there is one. */
  readonly config?: Uint8Array | undefined;
}

/**
 * The tokenizer of a model, by `@huggingface/tokenizers`.
 * @throws FormatError where a file is not JSON; UnsupportedError for a tokenizer of a kind that the library does not have
 */
export function openTokenizer({ tokenizer, config }: TokenizerFiles): TextTokenizer {
  const json = parsed(tokenizer, "tokenizer.json");
  const settings = config === undefined ? {} : parsed(config, "tokenizer_config.json");
  let made: Tokenizer;
  try {
    made = new Tokenizer(json, settings);
  } catch (cause) {
    throw new UnsupportedError("This tokenizer cannot be used to tokenize text.", {
      path: "tokenizer.json",
      cause,
      hint: "Give statistics or an importance matrix that another program made from the text.",
    });
  }
  return { encode: (text) => Int32Array.from(made.encode(text, { add_special_tokens: false }).ids) };
}

function parsed(bytes: Uint8Array, path: string): object {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value;
  } catch (cause) {
    if (!(cause instanceof SyntaxError)) throw cause;
  }
  throw new FormatError("The file is not a JSON object.", { path, hint: "Download it again." });
}

/**
 * Pre-tokenizers of byte-pair vocabularies that begin a text with BOS where the metadata does not say so. Source: llama.cpp,
 * src/llama-vocab.cpp, `llama_vocab::impl::load`.
 */
const PRE_WITH_BOS = new Set([
  "llama3",
  "llama-v3",
  "llama-bpe",
  "falcon3",
  "falcon-h1",
  "pixtral",
  "midm-2.0",
  "lfm2",
  "jina-v5-nano",
  "tekken",
  "chameleon",
]);

/** What llama.cpp takes for a BOS where the metadata names none, by `tokenizer.ggml.model`; the same source. */
const DEFAULTS: Readonly<Record<string, { readonly bos: number; readonly adds: boolean }>> = {
  llama: { bos: 1, adds: true },
  bert: { bos: 101, adds: true },
  gpt2: { bos: 11, adds: false },
};

/**
 * The token that llama.cpp puts before a text, from the metadata of a GGUF; undefined where it puts none. `add_bos_token` decides
 * where it is there.
 */
export function bosOf(metadata: Metadata): number | undefined {
  const text = (key: string): string => {
    const value = metadata.get(`tokenizer.ggml.${key}`);
    return value?.type === "string" ? value.value : "";
  };
  const defaults = DEFAULTS[text("model")];
  const stated = metadata.get("tokenizer.ggml.add_bos_token");
  const adds =
    stated?.type === "bool" ? stated.value : (defaults?.adds ?? false) || PRE_WITH_BOS.has(text("pre"));
  const id = metadata.get("tokenizer.ggml.bos_token_id");
  const bos = typeof id?.value === "number" ? id.value : defaults?.bos;
  return adds ? bos : undefined;
}
