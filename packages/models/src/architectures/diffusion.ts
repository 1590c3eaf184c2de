/** Dream and LLaDA: text by diffusion, in which every token sees all others (llama.cpp, conversion/dream.py, llada.py and models/dream.cpp, llada.cpp). */
import { bool, numberOf, u32 } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { count, derived, fixed, generic, textParameters } from "./parameters.ts";
import { pooling } from "./pooling.ts";
import { qwen2 } from "./qwen.ts";
import { rotary, same } from "./tensors.ts";

const maskKey = "tokenizer.ggml.mask_token_id";

export const dream: Architecture = {
  ...qwen2,
  decoder: undefined,
  name: "dream",
  memory: { keepsNothing: true },
  classes: ["DreamModel"],
  modelType: "Dream",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  parameters: [
    ...textParameters,
    pooling,
    fixed("~.attention.causal", bool(false)),
    count(maskKey, ["mask_token_id"]),
  ],
  tokenizer: { ...qwen2.tokenizer, addedTokens: "typed", ownKeys: [maskKey] },
  finishConfig({ values }) {
    values.set("auto_map", {
      AutoConfig: "Dream-org/Dream-v0-Instruct-7B--configuration_dream.DreamConfig",
      AutoModel: "Dream-org/Dream-v0-Instruct-7B--modeling_dream.DreamModel",
    });
  },
};

const bosKey = "tokenizer.ggml.add_bos_token";
const layer = "model.transformer.blocks.{layer}";

/** The widths that llama.cpp's converter writes after those of any text model. */
const widths: readonly ParameterRule[] = [
  count("~.context_length", ["max_sequence_length"]),
  count("~.embedding_length", ["d_model"]),
  count("~.feed_forward_length", ["mlp_hidden_size"]),
];

export const llada: Architecture = {
  name: "llada",
  memory: { keepsNothing: true },
  classes: ["LLaDAModelLM"],
  modelType: "llada",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["n_layers", "n_heads", "n_kv_heads", "max_sequence_length", "d_model"],
  parameters: [
    generic.blockCount,
    generic.contextLength,
    generic.headCount,
    generic.headCountKv,
    generic.ropeBase,
    generic.rmsEpsilon,
    generic.fileType,
    pooling,
    generic.vocabularySize,
    derived("~.rope.dimension_count", (config) =>
      u32(Math.floor(config.need("hidden_size", "d_model") / config.need("num_attention_heads", "n_heads"))),
    ),
    ...widths,
    fixed("~.attention.causal", bool(false)),
    fixed("diffusion.shift_logits", bool(false)),
  ],
  tensors: [
    same("model.transformer.wte.weight", "token_embd.weight"),
    same("model.transformer.ln_f.weight", "output_norm.weight"),
    same("model.transformer.ff_out.weight", "output.weight"),
    same(`${layer}.attn_norm.weight`, "blk.{layer}.attn_norm.weight"),
    rotary(`${layer}.q_proj.*`, "blk.{layer}.attn_q.*", (config) => config.need("n_heads")),
    rotary(`${layer}.k_proj.*`, "blk.{layer}.attn_k.*", (config) => config.need("n_kv_heads", "n_heads")),
    same(`${layer}.v_proj.*`, "blk.{layer}.attn_v.*"),
    same(`${layer}.attn_out.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.ff_norm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.ff_proj.*`, "blk.{layer}.ffn_gate.*"),
    same(`${layer}.up_proj.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.ff_out.*`, "blk.{layer}.ffn_down.*"),
  ],
  // the class adds the first token, whatever the files say
  tokenizer: {
    kinds: byteKinds,
    addedTokens: "typed",
    after: [() => [[bosKey, bool(true)]]],
    ownKeys: [bosKey],
  },
  finishConfig(draft) {
    const { values } = draft;
    values.set("embedding_size", draft.shapeOf("token_embd.weight")?.[0] ?? 0);
    values.set("weight_tying", !draft.ggufNames.has("output.weight"));
    values.set("mlp_hidden_size", numberOf(draft.parameter("~.feed_forward_length")) ?? 0);
    const qkvBias = draft.ggufNames.has("blk.0.attn_q.bias");
    for (const [key, value] of Object.entries({
      activation_type: "silu",
      alibi: false,
      block_type: "llama",
      include_bias: false,
      include_qkv_bias: qkvBias,
      layer_norm_type: "rms",
      rope: true,
      scale_logits: false,
    }))
      values.set(key, value);
    for (const key of ["tie_word_embeddings", "intermediate_size"]) values.delete(key);
    values.set("auto_map", {
      AutoConfig: "GSAI-ML/LLaDA-8B-Instruct--configuration_llada.LLaDAConfig",
      AutoModelForCausalLM: "GSAI-ML/LLaDA-8B-Instruct--modeling_llada.LLaDAModelLM",
      AutoModel: "GSAI-ML/LLaDA-8B-Instruct--modeling_llada.LLaDAModelLM",
    });
  },
};
