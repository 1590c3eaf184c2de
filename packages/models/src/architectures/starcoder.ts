/** StarCoder 1 and CodeShell: GPT-2's names with matrices that are not transposed (llama.cpp, conversion/starcoder.py, codeshell.py and models/starcoder.cpp, codeshell.cpp). */
import { f32, string, u32 } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule, TensorRule } from "./architecture.ts";
import { causalMask } from "./gpt2.ts";
import { count, derived, fixed, generic } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

const tensors: readonly TensorRule[] = [
  same("transformer.wte.weight", "token_embd.weight"),
  same("transformer.wpe.weight", "position_embd.weight"),
  same("transformer.ln_f.*", "output_norm.*"),
  same("lm_head.weight", "output.weight"),
  same(`${layer}.ln_1.*`, "blk.{layer}.attn_norm.*"),
  same(`${layer}.attn.c_attn.*`, "blk.{layer}.attn_qkv.*"),
  same(`${layer}.attn.c_proj.*`, "blk.{layer}.attn_output.*"),
  same(`${layer}.ln_2.*`, "blk.{layer}.ffn_norm.*"),
  same(`${layer}.mlp.c_fc.*`, "blk.{layer}.ffn_up.*"),
  same(`${layer}.mlp.c_proj.*`, "blk.{layer}.ffn_down.*"),
];

const parameters = (keyHeads: ParameterRule): readonly ParameterRule[] => [
  count("~.context_length", ["n_positions"]),
  count("~.embedding_length", ["n_embd"]),
  derived("~.feed_forward_length", (config) => u32(4 * config.need("n_embd"))),
  count("~.block_count", ["n_layer"]),
  count("~.attention.head_count", ["n_head"]),
  keyHeads,
  generic.normEpsilon,
  generic.fileType,
];

export const starcoder: Architecture = {
  name: "starcoder",
  classes: ["GPTBigCodeForCausalLM"],
  modelType: "gpt_bigcode",
  hasRope: false,
  defaults: {
    activation_function: "gelu_pytorch_tanh",
    bos_token_id: 50256,
    eos_token_id: 50256,
    layer_norm_epsilon: 1e-5,
    multi_query: true,
    n_embd: 768,
    n_head: 12,
    n_layer: 12,
    n_positions: 1024,
    scale_attn_weights: true,
    tie_word_embeddings: true,
    vocab_size: 50257,
  },
  parameters: parameters(fixed("~.attention.head_count_kv", u32(1))),
  tensors,
  leftOut: [causalMask],
  tokenizer: byteBpe,
  finishConfig({ values }) {
    values.set("n_inner", 4 * Number(values.get("n_embd")));
  },
};

export const codeShell: Architecture = {
  name: "codeshell",
  classes: ["CodeShellForCausalLM"],
  modelType: "codeshell",
  hasRope: false,
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["n_positions", "n_embd", "n_layer", "n_head", "layer_norm_epsilon"],
  parameters: [
    ...parameters(count("~.attention.head_count_kv", ["num_query_groups"])),
    fixed("~.rope.freq_base", f32(10000)),
    fixed("~.rope.scaling.type", string("linear")),
    fixed("~.rope.scaling.factor", f32(1)),
  ],
  tensors,
  leftOut: [causalMask],
  tokenizer: byteBpe,
  finishConfig({ values }) {
    const hidden = Number(values.get("n_embd"));
    values.set("n_inner", 4 * hidden);
    values.set("activation_function", "gelu_pytorch_tanh");
    values.set("group_query_attention", true);
    values.set("position_embedding_type", "rope");
    values.set("rope_scaling", null);
    values.set("auto_map", {
      AutoConfig: "WisdomShell/CodeShell-7B--configuration_codeshell.CodeShellConfig",
      AutoModelForCausalLM: "WisdomShell/CodeShell-7B--modeling_codeshell.CodeShellForCausalLM",
    });
  },
};
