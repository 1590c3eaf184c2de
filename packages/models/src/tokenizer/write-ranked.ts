/** Vocabularies by rank as `tokenizer.*` keys. */
import { FormatError, type MetadataValue } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { numberArray, string, stringArray } from "../metadata-values.ts";
import { note } from "../note.ts";
import { spellBytes } from "./byte-spelling.ts";
import { mergesByReplay, mergesOfAllPairs, mergesOfPairs, parseTekken, parseTiktoken } from "./ranked.ts";
import { readSpecialTokens, type SpecialTokens, specialTokenMetadata } from "./special-tokens.ts";
import { decoderTokens, tokenTypes } from "./vocabulary.ts";
import type { Written } from "./written.ts";

/** The special tokens: the end of a text, the two marks of a turn, 205 spare tokens (QwenLM/Qwen, tokenization_qwen.py). */
const qwenSpecials: readonly string[] = [
  "<|endoftext|>",
  "<|im_start|>",
  "<|im_end|>",
  ...Array.from({ length: 205 }, (_, index) => `<|extra_${index}|>`),
];

/** Qwen 1 (llama.cpp, conversion/base.py, `_set_vocab_qwen`). */
export function writeTiktoken(files: HfFiles, config: Config): Written {
  const ranked = parseTiktoken(files.tiktoken ?? "", "qwen.tiktoken");
  const named = [...ranked.map(spellBytes), ...qwenSpecials];
  const size = config.count("vocab_size") ?? named.length;
  if (size < named.length || size > named.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; qwen.tiktoken has ${named.length}.`, {
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
  };
}

/** A vocabulary whose special tokens follow its ranks. */
interface RankedFile {
  readonly path: string;
  /** `tokenizer.ggml.pre`. */
  readonly pre: string;
  textOf(files: HfFiles): string | undefined;
  /** The names of the model's own special tokens, for those that tokenizer_config.json does not name. */
  readonly reserved: readonly ((id: number) => string)[];
}

const hunyuanNames = ["<|endoftext|>", "<|startoftext|>", "<|bos|>", "<|eos|>", "<|pad|>"];

export const rankedFiles: Readonly<Record<"kimi" | "hunyuan", RankedFile>> = {
  // moonshotai/Kimi-K2-Instruct, tokenization_kimi.py
  kimi: {
    path: "tiktoken.model",
    pre: "kimi-k2",
    textOf: ({ tiktokenModel }) => tiktokenModel,
    reserved: new Array(256).fill((id: number) => `<|reserved_token_${id}|>`),
  },
  // tencent/Hunyuan-A13B-Instruct, tokenization_hy.py
  hunyuan: {
    path: "hy.tiktoken",
    pre: "hunyuan",
    textOf: ({ hunyuanTiktoken }) => hunyuanTiktoken,
    reserved: [
      ...hunyuanNames.map((name) => () => name),
      ...Array.from({ length: 205 }, (_, index) => () => `<|extra_${index}|>`),
    ],
  },
};

/** Kimi and Hunyuan (llama.cpp, conversion/deepseek.py and hunyuan.py, `set_vocab`). */
export function writeRankedFile(files: HfFiles, config: Config, kind: keyof typeof rankedFiles): Written {
  const { path, pre, textOf, reserved } = rankedFiles[kind];
  const ranked = parseTiktoken(textOf(files) ?? "", path);
  const specials = new Map(decoderTokens(files).map(({ id, text }) => [id, text]));
  const size = config.need("vocab_size");
  if (size < ranked.length || size > ranked.length + 1_000_000) {
    throw new FormatError(`The config.json says ${size} tokens; ${path} has ${ranked.length}.`, {
      path: "config.json",
    });
  }
  const hasReserved = ranked.length + reserved.length <= size;
  const nameOf = (id: number): string | undefined =>
    specials.get(id) ?? (hasReserved ? reserved[id - ranked.length]?.(id) : undefined);
  const { normal, control, unused } = tokenTypes;
  const tokens: string[] = [];
  const types: number[] = [];
  for (let id = 0; id < size; id++) {
    const name = nameOf(id);
    const own = ranked[id];
    tokens.push(name ?? (own === undefined ? `[PAD${id}]` : spellBytes(own)));
    types.push(name !== undefined ? control : own === undefined ? unused : normal);
  }
  return {
    model: "gpt2",
    pre,
    vocabulary: { tokens, types, merges: mergesOfPairs(ranked) },
    special: readSpecialTokens(files, undefined),
  };
}

const templateNote = /* @__PURE__ */ note(
  "no-template",
  "There is no tokenizer.chat_template, as tekken.json holds none.",
);

/** Mistral's own format (llama.cpp, conversion/base.py, `_set_vocab_mistral`). */
export function writeTekken(files: HfFiles): Written {
  const { tokens: ranked, specials } = parseTekken(files.tekken ?? {});
  const tokens = [...specials, ...ranked.map(spellBytes)];
  const types = tokens.map((_, id) => (id < specials.length ? tokenTypes.control : tokenTypes.normal));
  const merges = mergesOfAllPairs(ranked);
  const idOf = (text: string): number => {
    const id = specials.indexOf(text);
    if (id < 0) throw new FormatError(`The tekken.json has no token ${text}.`, { path: "tekken.json" });
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
      // integers, as the converter writes these zeros
      ["tokenizer.ggml.scores", numberArray("i32", new Array<number>(tokens.length).fill(0))],
      ["tokenizer.ggml.token_type", numberArray("i32", types)],
      ...specialTokenMetadata({ ids: new Map(), added: special.added }),
      ...template,
    ],
    ...(files.chatTemplate === undefined ? { findings: [templateNote] } : {}),
    model: "gpt2",
    pre: "tekken",
    vocabulary: { tokens, types, merges },
    special,
  };
}
