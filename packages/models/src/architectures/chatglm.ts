/** ChatGLM and GLM-4 9B, under their first names and under those of transformers (llama.cpp, conversion/chatglm.py and models/chatglm.cpp). */
import type { Config } from "../config.ts";
import { numberField, textField } from "../json.ts";
import { bool, f32, numberOf, shortestFloat, stringOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { CHATGLM3_PRE } from "../tokenizer/chatglm3.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft } from "./architecture.ts";
import { count, derived, deriveHeadLength, fixed, generic } from "./parameters.ts";
import { attention, decoderEnds, layerNorms, same } from "./tensors.ts";

const base = 10000;

const CHATGLM3 = "THUDM/chatglm3-6b";

const rotaryLength = (config: Config): number => {
  const head = Math.floor(
    config.need("hidden_size", "n_embed") / config.need("n_head", "num_attention_heads"),
  );
  const part = numberField(config.rope(), "partial_rotary_factor") ?? 0.5;
  return Math.trunc((config.count("attention_dim") ?? head) * part);
};

/** The class reads only the keys of ChatGLM; other models get its defaults. */
export const chatGlm: Architecture = {
  name: "chatglm",
  classes: ["ChatGLMModel", "ChatGLMForConditionalGeneration"],
  modelType: "chatglm",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["num_layers", "multi_query_group_num", "ffn_hidden_size"],
  parameters: [
    derived(
      "~.context_length",
      (config) => u32(config.count("seq_length") ?? config.need("hidden_size", "n_embed")),
      (value, draft) => draft.values.set("seq_length", numberOf(value) ?? 0),
    ),
    generic.embeddingLength,
    {
      ...count("~.feed_forward_length", ["ffn_hidden_size", "intermediate_size"]),
      toGguf: (config) =>
        u32(
          config.count("ffn_hidden_size", "intermediate_size") ?? 4 * config.need("hidden_size", "n_embed"),
        ),
    },
    generic.blockCount,
    generic.headCount,
    {
      ...count("~.attention.head_count_kv", ["multi_query_group_num", "num_key_value_heads"]),
      toGguf: (config) =>
        u32(
          config.count("multi_query_group_num", "num_key_value_heads") ??
            config.need("n_head", "num_attention_heads"),
        ),
    },
    derived(
      "~.attention.layer_norm_rms_epsilon",
      (config) => f32(config.number("layernorm_epsilon") ?? 1e-5),
      (value, draft) => draft.values.set("layernorm_epsilon", shortestFloat(numberOf(value) ?? 1e-5)),
    ),
    generic.fileType,
    derived("~.rope.dimension_count", (config) => u32(rotaryLength(config))),
    fixed("tokenizer.ggml.add_bos_token", bool(false)),
    derived(
      "~.rope.freq_base",
      (config) => f32(base * (config.number("rope_ratio") ?? 1)),
      (value, draft) => draft.values.set("rope_ratio", shortestFloat((numberOf(value) ?? base) / base)),
    ),
  ],
  tensors: [
    same("transformer.embedding.word_embeddings.weight", "token_embd.weight"),
    same("transformer.encoder.final_layernorm.weight", "output_norm.weight"),
    same("transformer.output_layer.weight", "output.weight"),
    same("transformer.encoder.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    same("transformer.encoder.layers.{layer}.self_attention.query_key_value.*", "blk.{layer}.attn_qkv.*"),
    same("transformer.encoder.layers.{layer}.self_attention.dense.*", "blk.{layer}.attn_output.*"),
    same("transformer.encoder.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.ffn_norm.weight"),
    same("transformer.encoder.layers.{layer}.mlp.dense_h_to_4h.*", "blk.{layer}.ffn_up.*"),
    same("transformer.encoder.layers.{layer}.mlp.dense_4h_to_h.*", "blk.{layer}.ffn_down.*"),
  ],
  leftOut: [
    { pattern: /\.rotary_pos_emb\.inv_freq$/, reason: "rotary frequencies are computed from the metadata" },
  ],
  tokenizer: {
    kinds: byteKinds,
    rolesByText: [
      ["eos", "<|endoftext|>"],
      ["eot", "<|user|>"],
      ["unk", "<|endoftext|>"],
    ],
    ownKeys: ["tokenizer.ggml.add_bos_token"],
  },
  finishConfig(draft) {
    const { values, ggufNames } = draft;
    const number = (key: string): number => numberOf(draft.parameter(key)) ?? 0;
    const head = number("~.embedding_length") / number("~.attention.head_count");
    values.set("num_hidden_layers", number("~.block_count"));
    values.set("kv_channels", head);
    values.set("multi_query_attention", true);
    values.set("add_qkv_bias", ggufNames.has("blk.0.attn_qkv.bias"));
    values.set("add_bias_linear", ggufNames.has("blk.0.attn_output.bias"));
    values.set("original_rope", true);
    values.set("post_layer_norm", true);
    values.set("rmsnorm", true);
    values.set("padded_vocab_size", draft.shapeOf("token_embd.weight")?.[0] ?? 0);
    values.set("auto_map", {
      AutoConfig: "THUDM/glm-4-9b-chat--configuration_chatglm.ChatGLMConfig",
      AutoModel: "THUDM/glm-4-9b-chat--modeling_chatglm.ChatGLMForConditionalGeneration",
      AutoModelForCausalLM: "THUDM/glm-4-9b-chat--modeling_chatglm.ChatGLMForConditionalGeneration",
    });
  },
  recognises: (_, names) => names.has("blk.0.attn_qkv.weight"),
};

/** ChatGLM3, whose vocabulary is a SentencePiece model; the converter knows it by the name of its repository. */
export const chatGlm3: Architecture = {
  ...chatGlm,
  claims: (config) => textField(config, "_name_or_path")?.includes(CHATGLM3) === true,
  tokenizer: { kinds: ["chatglm3"], ownKeys: ["tokenizer.ggml.add_bos_token"] },
  finishConfig(draft) {
    chatGlm.finishConfig?.(draft);
    draft.values.set("_name_or_path", CHATGLM3);
    draft.values.set("auto_map", {
      AutoConfig: "THUDM/chatglm3-6b--configuration_chatglm.ChatGLMConfig",
      AutoModel: "THUDM/chatglm3-6b--modeling_chatglm.ChatGLMForConditionalGeneration",
      AutoModelForCausalLM: "THUDM/chatglm3-6b--modeling_chatglm.ChatGLMForConditionalGeneration",
    });
  },
  recognises: (metadata, names) =>
    names.has("blk.0.attn_qkv.weight") && stringOf(metadata.get("tokenizer.ggml.pre")) === CHATGLM3_PRE,
};

/** Settings that llama.cpp's converter does not take over from this class: those of the published models. */
function assumePublished(draft: ConfigDraft): void {
  const { values } = draft;
  const published = { max_position_embeddings: 131072, rms_norm_eps: 1.5625e-7 };
  for (const [key, value] of Object.entries(published)) {
    values.set(key, value);
    draft.assume(key, value, "llama.cpp's converter does not read it; the published model has it");
  }
  for (const key of ["seq_length", "layernorm_epsilon", "rope_ratio"]) values.delete(key);
  for (const [from, to] of [
    ["ffn_hidden_size", "intermediate_size"],
    ["multi_query_group_num", "num_key_value_heads"],
    ["num_layers", "num_hidden_layers"],
  ] as const) {
    values.set(to, values.get(from) ?? values.get(to) ?? null);
    values.delete(from);
  }
  setRope(draft, "rope_theta", base);
  const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
  const head = Math.floor(hidden / (numberOf(draft.parameter("~.attention.head_count")) ?? 1));
  values.set("head_dim", head);
  setRope(draft, "partial_rotary_factor", (numberOf(draft.parameter("~.rope.dimension_count")) ?? 0) / head);
  values.set("attention_bias", draft.ggufNames.has("blk.0.attn_q.bias"));
}

export const glm: Architecture = {
  ...chatGlm,
  classes: ["GlmForCausalLM"],
  modelType: "glm",
  defaults: {
    attention_bias: true,
    eos_token_id: [151329, 151336, 151338],
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 13696,
    max_position_embeddings: 131072,
    num_attention_heads: 32,
    num_hidden_layers: 40,
    num_key_value_heads: 2,
    pad_token_id: 151329,
    rms_norm_eps: 1.5625e-7,
    rope_parameters: { rope_theta: base, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151552,
  },
  spellings: [],
  derive: [deriveHeadLength],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false),
    same("model.layers.{layer}.mlp.gate_up_proj.weight", "blk.{layer}.ffn_up.weight"),
    same("model.layers.{layer}.mlp.down_proj.weight", "blk.{layer}.ffn_down.weight"),
  ],
  finishConfig: assumePublished,
  recognises: () => true,
};
