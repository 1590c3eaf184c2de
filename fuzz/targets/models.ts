/** The side files of a Hugging Face directory, and the metadata of a GGUF. */
import { layoutGguf, parseGguf } from "../../packages/gguf/src/index.ts";
import { ggufToHf, type HfTensor, hfToGguf, readHfFiles } from "../../packages/models/src/index.ts";
import { parseSentencePiece } from "../../packages/models/src/tokenizer/sentencepiece.ts";
import { parseHeader } from "../../packages/safetensors/src/index.ts";
import type { FuzzTarget } from "../engine/target.ts";
import { fileBytes, jsonBytes, textBytes } from "./bytes.ts";

const folder = "fixtures/abuse/model/float-valid";
const sideFiles: ReadonlyMap<string, Uint8Array> = new Map(
  ["config.json", "tokenizer.json", "tokenizer_config.json"].map((name) => [
    name,
    fileBytes(`${folder}/${name}`),
  ]),
);
const tensors: readonly HfTensor[] = parseHeader(fileBytes(`${folder}/model.safetensors`)).tensors;

/** A directory with one file replaced, planned as GGUF. */
function planWith(name: string, content: Uint8Array): void {
  hfToGguf(readHfFiles("tiny", new Map([...sideFiles, [name, content]]), tensors), { fileType: "F16" });
}

const modelErrors = ["FORMAT", "LIMIT", "UNSUPPORTED", "CONVERSION"] as const;

export const hfConfig: FuzzTarget = {
  name: "hf-config",
  shape: "json",
  allowed: modelErrors,
  dictionary: [
    "LlamaForCausalLM",
    "MixtralForCausalLM",
    "Qwen2ForCausalLM",
    "Gemma3ForCausalLM",
    "DeepseekV3ForCausalLM",
    "Phi3ForCausalLM",
    "GPT2LMHeadModel",
    "llama",
    "rope_scaling",
    "rope_parameters",
    "text_config",
    "head_dim",
    "num_local_experts",
    "quantization_config",
    "hidden_size",
    "layer_types",
    "yarn",
    "llama3",
    "longrope",
    "factor",
    "original_max_position_embeddings",
  ],
  seeds: () => [
    fileBytes(`${folder}/config.json`),
    fileBytes("fixtures/kjv/hf/config.json"),
    fileBytes("fixtures/abuse/gptq/gptq-valid/config.json"),
    jsonBytes({
      architectures: ["Qwen2ForCausalLM"],
      hidden_size: 32,
      num_attention_heads: 2,
      num_hidden_layers: 1,
    }),
    jsonBytes({
      architectures: ["LlamaForCausalLM"],
      hidden_size: 32,
      intermediate_size: 32,
      num_attention_heads: 2,
      num_hidden_layers: 1,
      rope_scaling: {
        rope_type: "llama3",
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 64,
      },
    }),
  ],
  run: (input) => planWith("config.json", input),
};

const smallTokenizer = (): unknown =>
  JSON.parse(new TextDecoder().decode(fileBytes(`${folder}/tokenizer.json`)));

export const hfTokenizer: FuzzTarget = {
  name: "hf-tokenizer-json",
  shape: "json",
  allowed: modelErrors,
  dictionary: [
    "BPE",
    "Unigram",
    "WordPiece",
    "model",
    "vocab",
    "merges",
    "added_tokens",
    "pre_tokenizer",
    "ByteLevel",
    "Split",
    "Sequence",
    "Metaspace",
    "byte_fallback",
    "normalizer",
    "content",
    "special",
    "Regex",
  ],
  seeds: () => [
    fileBytes(`${folder}/tokenizer.json`),
    jsonBytes({
      ...Object(smallTokenizer()),
      pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    }),
    jsonBytes({
      model: {
        type: "Unigram",
        unk_id: 0,
        vocab: [
          ["<unk>", 0],
          ["a", -1.5],
        ],
      },
    }),
    jsonBytes({ model: { type: "BPE", vocab: { a: 0, b: 1, ab: 2 }, merges: ["a b"] } }),
  ],
  run: (input) => planWith("tokenizer.json", input),
};

export const hfTokenizerConfig: FuzzTarget = {
  name: "hf-tokenizer-config",
  shape: "json",
  allowed: modelErrors,
  dictionary: [
    "bos_token",
    "eos_token",
    "unk_token",
    "chat_template",
    "added_tokens_decoder",
    "add_bos_token",
    "content",
    "name",
    "template",
    "default",
  ],
  seeds: () => [
    fileBytes(`${folder}/tokenizer_config.json`),
    jsonBytes({
      bos_token: { content: "<s>" },
      chat_template: [{ name: "default", template: "{{ messages }}" }],
    }),
    jsonBytes({ added_tokens_decoder: { "1": { content: "<s>", special: true } }, add_bos_token: true }),
  ],
  run: (input) => planWith("tokenizer_config.json", input),
};

/** Optional small JSON files of a directory; the first byte chooses one. */
export const hfSideFile: FuzzTarget = {
  name: "hf-side-file",
  allowed: modelErrors,
  dictionary: [
    "content",
    "license",
    "base_model",
    "tags",
    "---\n",
    "language:\n- en\n",
    "temperature",
    "top_k",
  ],
  seeds: () =>
    [
      '{"temperature":0.5}',
      '{"bos_token":"<s>"}',
      '{"<x>":31}',
      "{{ x }}",
      '{"chat_template":"x"}',
      "---\nlicense: mit\ntags:\n- a\n---\n# T",
    ].map((text, index) => textBytes(`${String.fromCharCode(index)}${text}`)),
  run(input) {
    const names = [
      "generation_config.json",
      "special_tokens_map.json",
      "added_tokens.json",
      "chat_template.jinja",
      "chat_template.json",
      "README.md",
    ];
    planWith(names[(input[0] ?? 0) % names.length] ?? "", input.subarray(1));
  },
};

export const tokenizerModel: FuzzTarget = {
  name: "tokenizer-model",
  allowed: modelErrors,
  seeds: () => [sentencePieceSeed()],
  run(input) {
    parseSentencePiece(input);
    hfToGguf(
      readHfFiles(
        "tiny",
        new Map([
          ["config.json", sideFiles.get("config.json") ?? ""],
          ["tokenizer.model", input],
        ]),
        tensors,
      ),
      { fileType: "F16" },
    );
  },
};

/** A model of three pieces: field 1 (text, score, type) three times, then trainer and normalizer settings. */
function sentencePieceSeed(): Uint8Array {
  const piece = (text: string, type: number): number[] => {
    const letters = [...textBytes(text)];
    const body = [0x0a, letters.length, ...letters, 0x15, 0, 0, 0x80, 0xbf, 0x18, type];
    return [0x0a, body.length, ...body];
  };
  return Uint8Array.from([
    ...piece("<unk>", 2),
    ...piece("<s>", 3),
    ...piece("\u2581a", 1),
    ...piece("<0x0A>", 6),
    ...[0x12, 2, 0x18, 2],
    ...[0x1a, 4, 0x18, 1, 0x20, 0],
  ]);
}

/** A GGUF header planned as a Hugging Face directory. */
export const ggufModel: FuzzTarget = {
  name: "gguf-to-hf",
  allowed: modelErrors,
  maxByteLength: 8192,
  dictionary: [
    "llama.block_count",
    "llama.attention.head_count",
    "tokenizer.ggml.merges",
    "tokenizer.chat_template",
    "general.architecture",
    "qwen2",
    "gemma3",
    "llama.rope.scaling.type",
  ],
  // without the weights: the mutations are for the metadata
  seeds: () => {
    const file = parseGguf(fileBytes("fixtures/abuse/gguf/tiny-llama-f16.gguf"));
    return [layoutGguf({ metadata: file.metadata, tensors: file.tensors }).header];
  },
  run(input) {
    const { metadata, tensors } = parseGguf(input, { fileByteLength: 2 ** 40 });
    ggufToHf({ metadata, tensors, smallTensors: undefined }, { dtype: "F16" });
  },
};
