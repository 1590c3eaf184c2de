/** The side files of a Hugging Face directory, parsed and checked for their outermost shape. */
import { FormatError, misfitOf } from "@requant/core";
import * as z from "zod/mini";
import { arrayField, decodeText, type JsonObject, objectField, parseJsonObject, textField } from "./json.ts";
import { configOfParams } from "./params-json.ts";
import { denseFolders } from "./sentence-modules.ts";

/** A weight of the checkpoint. A linear weight of GPTQ, AWQ or EXL2 is listed as one `….weight` in [out, in]. */
export interface HfTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  /**
   * The weight's file; tensors are planned in order of file name, then of tensor name, as llama.cpp's converter reads
   * them.
   */
  readonly file?: string;
}

/** The side files of a Hugging Face directory. */
export interface HfFiles {
  /** Last part of the directory's path, or the repository's name: general.name and its parts are read from it. */
  readonly directoryName: string;
  readonly config: JsonObject;
  readonly generationConfig?: JsonObject | undefined;
  readonly tokenizerJson?: JsonObject | undefined;
  readonly tokenizerModel?: Uint8Array | undefined;
  /** vocab.json and merges.txt: byte-level BPE before tokenizer.json. */
  readonly vocabJson?: JsonObject | undefined;
  readonly mergesText?: string | undefined;
  /** tekken.json: Mistral's own format. */
  readonly tekken?: JsonObject | undefined;
  /** qwen.tiktoken: Qwen 1's vocabulary. */
  readonly tiktoken?: string | undefined;
  /** tiktoken.model: Kimi's vocabulary. */
  readonly tiktokenModel?: string | undefined;
  /** hy.tiktoken: Hunyuan's vocabulary. */
  readonly hunyuanTiktoken?: string | undefined;
  /** rwkv_vocab_v20230424.txt: the vocabulary of RWKV's World models. */
  readonly rwkvVocabulary?: string | undefined;
  /** tokenizer.jsonl: PLaMo 2's vocabulary. */
  readonly plamoTokens?: string | undefined;
  /** spiece.model: T5's vocabulary. */
  readonly spiece?: Uint8Array | undefined;
  /** sentencepiece.bpe.model: XLM-RoBERTa's vocabulary. */
  readonly sentencePieceBpe?: Uint8Array | undefined;
  /** 1_Pooling/config.json of a sentence-transformers model. */
  readonly pooling?: JsonObject | undefined;
  /** Folders of the dense layers that modules.json lists behind the pooling. */
  readonly denseFolders?: readonly string[] | undefined;
  readonly tokenizerConfig?: JsonObject | undefined;
  readonly specialTokensMap?: JsonObject | undefined;
  readonly addedTokens?: JsonObject | undefined;
  /** chat_template.jinja. */
  readonly chatTemplate?: string | undefined;
  /** chat_template.json. */
  readonly chatTemplateJson?: JsonObject | undefined;
  /** additional_chat_templates/*.jinja by name. */
  readonly additionalChatTemplates?: ReadonlyMap<string, string> | undefined;
  /** preprocessor_config.json: how images and sound are prepared. */
  readonly preprocessorConfig?: JsonObject | undefined;
  /** processor_config.json, which newer models have instead. */
  readonly processorConfig?: JsonObject | undefined;
  /** README.md: its front matter holds licence, base models and tags. */
  readonly readme?: string | undefined;
  readonly tensors: readonly HfTensor[];
  /** Values of the tensors that {@link isMetadataTensor} names: a GGUF has them as metadata. */
  readonly values?: ReadonlyMap<string, ArrayLike<number>> | undefined;
}

/** The side files that {@link readHfFiles} reads; all but config.json may be missing, and params.json may stand for it. */
export const hfSideFiles: readonly string[] = [
  "config.json",
  "params.json",
  "generation_config.json",
  "tokenizer.json",
  "tokenizer.model",
  "vocab.json",
  "merges.txt",
  "tekken.json",
  "qwen.tiktoken",
  "tiktoken.model",
  "hy.tiktoken",
  "rwkv_vocab_v20230424.txt",
  "tokenizer.jsonl",
  "spiece.model",
  "sentencepiece.bpe.model",
  "1_Pooling/config.json",
  "modules.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "preprocessor_config.json",
  "processor_config.json",
  "README.md",
];

const generationSchema = z.looseObject({});
const tokenizerSchema = z.looseObject({
  model: z.optional(z.looseObject({})),
  added_tokens: z.optional(
    z.array(z.looseObject({ id: z.int().check(z.nonnegative()), content: z.string() })),
  ),
});
const tokenizerConfigSchema = z.looseObject({
  added_tokens_decoder: z.optional(z.record(z.string(), z.looseObject({ content: z.string() }))),
});
const addedTokensSchema = z.record(z.string(), z.int().check(z.nonnegative()));
const configSchema = z.looseObject({
  architectures: z.nullish(z.array(z.string())),
  model_type: z.nullish(z.string()),
});

function check(schema: z.ZodMiniType, value: JsonObject, path: string): void {
  const result = schema.safeParse(value);
  if (result.success) return;
  const [first] = result.error.issues;
  throw new FormatError(`${path} has a wrong value: ${misfitOf(first ? [first] : [], value)}.`, {
    path,
  });
}

/**
 * Parses the side files of a directory.
 * @param files contents by file name; names not in {@link hfSideFiles} are ignored, except `additional_chat_templates/*.jinja`.
 * @throws FormatError with the file's name when a file is missing, is not JSON, or has wrong types.
 */
export function readHfFiles(
  directoryName: string,
  files: ReadonlyMap<string, Uint8Array | string>,
  tensors: readonly HfTensor[],
): HfFiles {
  const json = (name: string, schema: z.ZodMiniType): JsonObject | undefined => {
    const content = files.get(name);
    if (content === undefined) return undefined;
    const value = parseJsonObject(content, name);
    check(schema, value, name);
    return value;
  };
  const params = files.has("config.json") ? undefined : json("params.json", generationSchema);
  const config = params === undefined ? json("config.json", configSchema) : configOfParams(params);
  if (config === undefined) {
    throw new FormatError("The file config.json is missing.", {
      path: "config.json",
      hint: "Give the directory of a Hugging Face model.",
    });
  }
  const text = (name: string): string | undefined => {
    const content = files.get(name);
    return content === undefined ? undefined : decodeText(content, name);
  };
  const bytes = (name: string): Uint8Array | undefined => {
    const content = files.get(name);
    if (typeof content === "string")
      throw new FormatError(`The contents of ${name} must be given as bytes, not as text.`, { path: name });
    return content;
  };
  const additional = new Map<string, string>();
  for (const name of [...files.keys()].sort()) {
    const match = /^additional_chat_templates\/([^/]+)\.jinja$/.exec(name);
    if (match?.[1] !== undefined) additional.set(match[1], text(name) ?? "");
  }
  return {
    directoryName,
    config,
    generationConfig: json("generation_config.json", generationSchema),
    tokenizerJson: json("tokenizer.json", tokenizerSchema),
    tokenizerModel: bytes("tokenizer.model"),
    spiece: bytes("spiece.model"),
    sentencePieceBpe: bytes("sentencepiece.bpe.model"),
    pooling: json("1_Pooling/config.json", generationSchema),
    denseFolders: denseFolders(text("modules.json")),
    vocabJson: json("vocab.json", addedTokensSchema),
    mergesText: text("merges.txt"),
    tekken: json("tekken.json", generationSchema),
    tiktoken: text("qwen.tiktoken"),
    tiktokenModel: text("tiktoken.model"),
    hunyuanTiktoken: text("hy.tiktoken"),
    rwkvVocabulary: text("rwkv_vocab_v20230424.txt"),
    plamoTokens: text("tokenizer.jsonl"),
    tokenizerConfig: json("tokenizer_config.json", tokenizerConfigSchema),
    specialTokensMap: json("special_tokens_map.json", generationSchema),
    addedTokens: json("added_tokens.json", addedTokensSchema),
    chatTemplate: text("chat_template.jinja"),
    chatTemplateJson: json("chat_template.json", generationSchema),
    additionalChatTemplates: additional.size === 0 ? undefined : additional,
    preprocessorConfig: json("preprocessor_config.json", generationSchema),
    processorConfig: json("processor_config.json", generationSchema),
    readme: text("README.md"),
    tensors,
  };
}

/** The id of a token by its text; undefined when there is none. */
export function tokenIdIn(files: HfFiles, text: string): number | undefined {
  const vocabulary = objectField(objectField(files.tokenizerJson, "model"), "vocab") ?? files.vocabJson;
  const id = vocabulary === undefined || !Object.hasOwn(vocabulary, text) ? undefined : vocabulary[text];
  return typeof id === "number" ? id : undefined;
}

const nestedNames = ["text_config", "llm_config", "lm_config", "language_config"];

function nestedConfigs(config: JsonObject): readonly JsonObject[] {
  return nestedNames.map((name) => objectField(config, name)).filter((nested) => nested !== undefined);
}

/** A config with the settings of the text model inside a multimodal one in place of its own of the same name. */
export function textConfig(config: JsonObject): JsonObject {
  const texts = nestedConfigs(config).flatMap((nested) => Object.entries(nested));
  return { ...config, ...Object.fromEntries(texts) };
}

/** Class names of a config, the nested text model's first, as llama.cpp's converter chooses (conversion/base.py). */
export function classNames(config: JsonObject): readonly string[] {
  return [...nestedConfigs(config), config].flatMap((owner) =>
    (arrayField(owner, "architectures") ?? []).filter((name): name is string => typeof name === "string"),
  );
}

/** `model_type` of the text models inside a multimodal config. */
export function nestedModelTypes(config: JsonObject): readonly string[] {
  return nestedConfigs(config).flatMap((nested) => textField(nested, "model_type") ?? []);
}
