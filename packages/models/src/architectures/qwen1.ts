/** Qwen 1: Llama's arithmetic under GPT-2's names, q, k, v in one matrix with a bias (llama.cpp, conversion/qwen.py and models/qwen.cpp). */
import { bool, numberOf } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import { generic, real, textParameters } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "transformer.h.{layer}";

export const qwen1: Architecture = {
  name: "qwen",
  classes: ["QWenLMHeadModel"],
  modelType: "qwen",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  aliases: { rotary_emb_base: "rope_theta" },
  parameters: textParameters.map((rule) =>
    // llama.cpp reads the RMS key, which the converter of its version 0.5.0 no longer writes: its files do not load
    rule === generic.normEpsilon ? real("~.attention.layer_norm_rms_epsilon", ["layer_norm_epsilon"]) : rule,
  ),
  tensors: [
    same("transformer.wte.weight", "token_embd.weight"),
    same("transformer.ln_f.weight", "output_norm.weight"),
    same("lm_head.weight", "output.weight"),
    same(`${layer}.ln_1.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.attn.c_attn.*`, "blk.{layer}.attn_qkv.*"),
    same(`${layer}.attn.c_proj.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.ln_2.weight`, "blk.{layer}.ffn_norm.weight"),
    // w2 goes through the activation, w1 does not
    same(`${layer}.mlp.w1.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.w2.*`, "blk.{layer}.ffn_gate.*"),
    same(`${layer}.mlp.c_proj.*`, "blk.{layer}.ffn_down.*"),
  ],
  // its tokenizer normalizes (tokenization_qwen.py), which the converter does not write
  tokenizer: {
    kinds: ["tiktoken", "byte-bpe"],
    after: [() => [["tokenizer.ggml.normalizer.nfc", bool(true)]]],
  },
  // llama.cpp, src/models/qwen.cpp
  decoder: { ...llamaDecoder, positions: "halves" },
  finishConfig(draft) {
    const { values } = draft;
    const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
    const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
    values.set("kv_channels", hidden / heads);
    values.set("rotary_emb_base", numberOf(draft.parameter("~.rope.freq_base")) ?? 10000);
    values.delete("rope_parameters");
    values.set("rotary_pct", 1);
    values.set("no_bias", !draft.ggufNames.has("blk.0.attn_output.bias"));
    const length = values.get("max_position_embeddings") ?? 8192;
    values.set("seq_length", length);
    draft.assume("seq_length", length, "a GGUF does not say how long the training texts were");
    values.set("auto_map", {
      AutoConfig: "configuration_qwen.QWenConfig",
      AutoModelForCausalLM: "modeling_qwen.QWenLMHeadModel",
    });
  },
};
