/**
 * Special tokens of a byte-level BPE, by what tokenizer_config.json and the post-processor say. Oracle: `SpecialVocab` of
 * gguf-py (vocab.py, as of llama-cpp-python 0.3.36, which knows tokens that only a template names), run on these very
 * files. Its cls has no key in a GGUF.
 */

import type { Metadata } from "@requant/core";
import { describe, expect, test } from "vitest";
import type { HfFiles } from "../src/index.ts";
import type { JsonObject } from "../src/json.ts";
import { readSpecialTokens, specialTokenMetadata } from "../src/tokenizer/special-tokens.ts";
import { templateNotes } from "../src/tokenizer/template-notes.ts";
import { messagesOf } from "./messages.ts";

const idOf: Readonly<Record<string, number>> = { "<s>": 265, "</s>": 266, "<pad>": 267, "<|eot|>": 268 };

const byteLevel: JsonObject = {
  type: "ByteLevel",
  add_prefix_space: true,
  trim_offsets: false,
  use_regex: true,
};

function pieces(text: string): JsonObject[] {
  return text
    .split(" ")
    .map((id) =>
      id === "A" || id === "B" ? { Sequence: { id, type_id: 0 } } : { SpecialToken: { id, type_id: 0 } },
    );
}

function template(single: string, pair: string): JsonObject {
  return { type: "TemplateProcessing", single: pieces(single), pair: pieces(pair), special_tokens: {} };
}

function sequence(...processors: readonly JsonObject[]): JsonObject {
  return { type: "Sequence", processors };
}

function pairOf(type: "RobertaProcessing" | "BertProcessing"): JsonObject {
  return { type, sep: ["</s>", 266], cls: ["<s>", 265] };
}

/** A token as AddedToken writes it. */
function object(content: string): JsonObject {
  return {
    __type: "AddedToken",
    content,
    lstrip: false,
    normalized: false,
    rstrip: false,
    single_word: false,
  };
}

interface Variant {
  readonly name: string;
  readonly processor: JsonObject | null;
  readonly config: JsonObject;
  /** What gguf-py finds, in its order, where config.json names no ids. */
  readonly silent: string;
  /** The same where config.json has bos_token_id and eos_token_id. */
  readonly withIds: string;
}

const variants: readonly Variant[] = [
  {
    name: "tp-bos, config silent",
    processor: template("<s> A", "<s> A B"),
    config: {},
    silent: "bos=<s> add_bos=true",
    withIds: "bos=<s> eos=</s> add_bos=true",
  },
  {
    name: "tp-bos-eos, config silent",
    processor: template("<s> A </s>", "<s> A </s> B </s>"),
    config: {},
    silent: "bos=<s> eos=</s> add_bos=true add_eos=true add_sep=false",
    withIds: "bos=<s> eos=</s> add_bos=true add_eos=true add_sep=false",
  },
  {
    name: "tp-eos only, config eos",
    processor: template("A </s>", "A </s> B"),
    config: { eos_token: "</s>" },
    silent: "eos=</s> add_eos=true add_sep=false",
    withIds: "eos=</s> bos=<s> add_eos=true add_sep=false",
  },
  {
    name: "seq tp-bos, config bos=</s>",
    processor: sequence(byteLevel, template("<s> A", "<s> A B")),
    config: { bos_token: "</s>", eos_token: "</s>" },
    silent: "bos=</s> eos=</s> add_bos=true add_eos=false",
    withIds: "bos=</s> eos=</s> add_bos=true add_eos=false",
  },
  {
    name: "tp-bos, config names other bos",
    processor: template("<s> A", "<s> A B"),
    config: { bos_token: "<pad>", eos_token: "</s>" },
    silent: "bos=<pad> eos=</s> add_bos=true",
    withIds: "bos=<pad> eos=</s> add_bos=true",
  },
  {
    name: "tp-bos, add_bos false",
    processor: template("<s> A", "<s> A B"),
    config: { bos_token: "<s>", eos_token: "</s>", add_bos_token: false },
    silent: "bos=<s> eos=</s> add_bos=true",
    withIds: "bos=<s> eos=</s> add_bos=true",
  },
  {
    name: "no pp, add_bos true",
    processor: null,
    config: { bos_token: "<s>", eos_token: "</s>", add_bos_token: true, add_eos_token: true },
    silent: "bos=<s> eos=</s> add_bos=true add_eos=true",
    withIds: "bos=<s> eos=</s> add_bos=true add_eos=true",
  },
  {
    name: "bytelevel pp",
    processor: byteLevel,
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> add_bos=false add_eos=false",
    withIds: "bos=<s> eos=</s> add_bos=false add_eos=false",
  },
  {
    name: "roberta pp",
    processor: pairOf("RobertaProcessing"),
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=true",
    withIds: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=true",
  },
  {
    name: "roberta pp silent",
    processor: pairOf("RobertaProcessing"),
    config: {},
    silent: "sep=</s> add_bos=true add_eos=true add_sep=true",
    withIds: "sep=</s> bos=<s> eos=</s> add_bos=true add_eos=true add_sep=true",
  },
  {
    name: "bert pp silent",
    processor: pairOf("BertProcessing"),
    config: {},
    silent: "",
    withIds: "bos=<s> eos=</s>",
  },
  {
    name: "eos dict",
    processor: null,
    config: {
      bos_token: { __type: "AddedToken", content: "<s>", lstrip: false },
      eos_token: { content: "<|eot|>" },
      pad_token: "<pad>",
    },
    silent: "bos=<s> eos=<|eot|> pad=<pad>",
    withIds: "bos=<s> eos=<|eot|> pad=<pad>",
  },
  {
    name: "null names",
    processor: template("<s> A", "<s> A B"),
    config: { bos_token: null, eos_token: "</s>" },
    silent: "bos=<s> eos=</s> add_bos=true",
    withIds: "bos=<s> eos=</s> add_bos=true",
  },
  {
    name: "name not in vocab",
    processor: template("<s> A", "<s> A B"),
    config: { bos_token: "<nope>", eos_token: "</s>" },
    silent: "eos=</s> add_bos=true",
    withIds: "eos=</s> bos=<s> add_bos=true",
  },
  {
    name: "pair without eos",
    processor: template("<s> A </s>", "<s> A <s> B"),
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> add_bos=true add_eos=true add_sep=false",
    withIds: "bos=<s> eos=</s> add_bos=true add_eos=true add_sep=false",
  },
  {
    name: "pair double sep",
    processor: template("<s> A </s>", "<s> A </s> </s> B </s>"),
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=true",
    withIds: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=true",
  },
  {
    name: "tp-bos, bos is an object",
    processor: template("<s> A", "<s> A B"),
    config: { bos_token: object("<s>"), eos_token: object("</s>") },
    silent: "bos=<s> eos=</s> add_bos=true",
    withIds: "bos=<s> eos=</s> add_bos=true",
  },
  {
    name: "tp-bos-eos, tokens are objects",
    processor: template("<s> A </s>", "<s> A </s> B </s>"),
    config: { bos_token: object("<s>"), eos_token: object("</s>") },
    silent: "bos=<s> eos=</s> eot=</s> add_bos=true add_eos=true add_sep=false",
    withIds: "bos=<s> eos=</s> eot=</s> add_bos=true add_eos=true add_sep=false",
  },
  {
    name: "tp-eos, config silent",
    processor: template("A </s>", "A </s> B"),
    config: {},
    silent: "eos=</s> add_eos=true add_sep=false",
    withIds: "eos=</s> bos=<s> add_eos=true add_sep=false",
  },
  {
    name: "tp-bos, then bytelevel",
    processor: sequence(template("<s> A", "<s> A B"), byteLevel),
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> add_bos=true add_eos=false",
    withIds: "bos=<s> eos=</s> add_bos=true add_eos=false",
  },
  {
    name: "tp cls and sep",
    processor: template("<s> A </s>", "<s> A </s> B </s>"),
    config: { cls_token: "<s>", sep_token: "</s>" },
    silent: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=false",
    withIds: "bos=<s> eos=</s> sep=</s> add_bos=true add_eos=true add_sep=false",
  },
  {
    name: "sep between, nothing after",
    processor: template("<s> A", "<s> A </s> B"),
    config: { bos_token: "<s>", eos_token: "</s>" },
    silent: "bos=<s> eos=</s> sep=</s> add_bos=true add_sep=true",
    withIds: "bos=<s> eos=</s> sep=</s> add_bos=true add_sep=true",
  },
];

const roleOf: Readonly<Record<string, string>> = { unknown: "unk", seperator: "sep", padding: "pad" };

function filesOf(config: JsonObject, { processor, config: tokenizerConfig }: Variant): HfFiles {
  const tokens = Object.entries(idOf).map(([content, id]) => ({ id, content, special: true }));
  return {
    directoryName: "m",
    config,
    tokenizerJson: { added_tokens: tokens, post_processor: processor },
    tokenizerConfig: { tokenizer_class: "PreTrainedTokenizerFast", ...tokenizerConfig },
    tensors: [],
  };
}

const metadataOf = (files: HfFiles): Metadata => new Map(specialTokenMetadata(readSpecialTokens(files, 269)));

/** The keys as the table spells them. */
function found(config: JsonObject, variant: Variant): string {
  return [...metadataOf(filesOf(config, variant))]
    .map(([key, { value }]) => {
      const flag = /^tokenizer\.ggml\.(add_[a-z]+)_token$/.exec(key)?.[1];
      if (flag !== undefined) return `${flag}=${value}`;
      const name = /^tokenizer\.ggml\.([a-z]+)_token_id$/.exec(key)?.[1] ?? key;
      const text = Object.entries(idOf).find(([, id]) => id === value)?.[0];
      return `${roleOf[name] ?? name}=${text}`;
    })
    .join(" ");
}

describe.each(variants)("$name", (variant) => {
  test("config.json without ids", () => {
    expect(found({}, variant)).toBe(variant.silent);
  });

  test("config.json with ids", () => {
    expect(found({ bos_token_id: 265, eos_token_id: 266 }, variant)).toBe(variant.withIds);
  });
});

/**
 * What the library tokenizers 0.23.3 adds to "hello", where llama.cpp adds something else by the keys above. A file without
 * a post-processor is not among them: there the class of the tokenizer decides.
 */
const otherwise: Readonly<Record<string, string>> = {
  "seq tp-bos, config bos=</s>": "puts <s> before a text, llama.cpp puts </s>",
  "tp-bos, config names other bos": "puts <s> before a text, llama.cpp puts <pad>",
  "name not in vocab": "puts <s> before a text, llama.cpp puts nothing",
  "roberta pp silent": "puts <s> before a text, llama.cpp puts nothing",
};

test.each(variants)(
  "$name: tokens that llama.cpp adds differently from tokenizer.json are reported",
  (variant) => {
    const files = filesOf({}, variant);
    const texts = Array.from(
      { length: 269 },
      (_, id) => Object.entries(idOf).find(([, own]) => own === id)?.[0] ?? "",
    );
    const findings = templateNotes(files.tokenizerJson, metadataOf(files), texts);
    const note = otherwise[variant.name];
    if (note === undefined) expect(findings).toEqual([]);
    else expect(messagesOf({ findings })).toContain(note);
  },
);
