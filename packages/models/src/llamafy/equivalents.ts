/**
 * Families that are Llamas under other names, one row each. Layouts: the modeling files published with the checkpoints
 * (Qwen/Qwen-7B, internlm/internlm2-7b, baichuan-inc/Baichuan-7B, 01-ai/Yi-6B) and transformers' own classes.
 */

import { quoted } from "@requant/core/text";
import { ernie45 } from "../architectures/ernie.ts";
import { llama, mistral } from "../architectures/llama.ts";
import { deriveHeadLength, deriveKeyValueHeads } from "../architectures/parameters.ts";
import { phi3 } from "../architectures/phi.ts";
import { qwen2 } from "../architectures/qwen.ts";
import { splitEvenly, viewed } from "../architectures/split-tensors.ts";
import { keyHeads, queryHeads, same } from "../architectures/tensors.ts";
import type { Config, ConfigClass } from "../config.ts";
import { field } from "../json.ts";
import { note } from "../note.ts";
import type { RowOrder } from "../row-order.ts";
import type { LlamaEquivalent } from "./equivalent.ts";
import { attention, ends, feedForward, fusedAttention, norms, own, pairsToHalves, renamed } from "./rules.ts";

const layer = "model.layers.{layer}";

/** transformers has no class for it, so config.json gets no defaults. */
const asWritten: ConfigClass = { defaults: {}, derive: [deriveHeadLength, deriveKeyValueHeads] };

function windowObstacle(config: Config): string | undefined {
  const window = config.number("sliding_window");
  const context = config.number("max_position_embeddings");
  return window !== undefined && context !== undefined && window < context
    ? `its attention slides over ${window} of ${context} positions (up to ${window} tokens it is one: set max_position_embeddings to that)`
    : undefined;
}

function partialRotaryObstacle(config: Config): string | undefined {
  const factor = field(config.rope(), "partial_rotary_factor") ?? config.get("rotary_pct") ?? 1;
  return factor === 1 ? undefined : `only ${quoted(factor)} of each head is rotated`;
}

/** Rows `[kv heads, q … q k v, length]` of InternLM 2's wqkv: `count` of the middle axis from `first`. */
function headRange(config: Config, first: number, count: number): RowOrder {
  const kv = keyHeads(config);
  return {
    kind: "view",
    view: [kv, queryHeads(config) / kv + 2, config.headLength],
    ranges: [null, [first, first + count], null],
  };
}

const llamaNames = [...ends, ...norms, ...attention, ...feedForward];

/** Llama itself, and classes with the same names and settings. */
const namesake: LlamaEquivalent = {
  classes: llama.classes.filter((name) => name.toLowerCase() === "llamaforcausallm"),
  configClass: llama,
  tensors: llamaNames,
};

export const llamaEquivalents: readonly LlamaEquivalent[] = [
  namesake,
  { ...namesake, classes: ["MistralForCausalLM"], configClass: mistral, obstacle: windowObstacle },
  {
    classes: ["YiForCausalLM"],
    configClass: asWritten,
    // the first releases have the names ln1 and ln2, the later ones Llama's names
    tensors: [
      ...llamaNames,
      ...renamed([
        [`${layer}.ln1.weight`, "input_layernorm.weight"],
        [`${layer}.ln2.weight`, "post_attention_layernorm.weight"],
      ]),
    ],
  },
  { ...namesake, classes: ["Qwen2ForCausalLM"], configClass: qwen2, obstacle: windowObstacle },
  {
    classes: ["QWenLMHeadModel"],
    configClass: {
      // configuration_qwen.py; the first releases spelled GPT-2's names
      defaults: {
        hidden_size: 4096,
        intermediate_size: 22016,
        kv_channels: 128,
        layer_norm_epsilon: 1e-6,
        num_attention_heads: 32,
        num_hidden_layers: 32,
        rotary_emb_base: 10000,
        rotary_pct: 1,
        tie_word_embeddings: false,
        vocab_size: 151936,
      },
      aliases: {
        n_embd: "hidden_size",
        n_head: "num_attention_heads",
        n_layer: "num_hidden_layers",
        n_positions: "max_position_embeddings",
        ffn_hidden_size: "intermediate_size",
      },
      derive: [
        (values) => values.set("head_dim", values.get("kv_channels") ?? null),
        deriveHeadLength,
        deriveKeyValueHeads,
      ],
      hasRope: false,
    },
    tensors: [
      same("transformer.wte.weight", "model.embed_tokens.weight"),
      same("transformer.ln_f.weight", "model.norm.weight"),
      ...own(["lm_head.weight"]),
      ...renamed([
        ["transformer.h.{layer}.ln_1.weight", "input_layernorm.weight"],
        ["transformer.h.{layer}.ln_2.weight", "post_attention_layernorm.weight"],
        ["transformer.h.{layer}.attn.c_proj.*", "self_attn.o_proj.*"],
        // w2 goes through the activation, w1 does not
        ["transformer.h.{layer}.mlp.w2.*", "mlp.gate_proj.*"],
        ["transformer.h.{layer}.mlp.w1.*", "mlp.up_proj.*"],
        ["transformer.h.{layer}.mlp.c_proj.*", "mlp.down_proj.*"],
      ]),
      fusedAttention("transformer.h.{layer}.attn.c_attn.*"),
    ],
    obstacle: partialRotaryObstacle,
    settings: (config) => ({
      // the config states the width of both halves together
      intermediate_size: config.need("intermediate_size") / 2,
      max_position_embeddings: config.need("seq_length", "max_position_embeddings"),
      rms_norm_eps: config.number("layer_norm_epsilon") ?? 1e-6,
      rope_theta: config.number("rotary_emb_base") ?? 10000,
    }),
    findings: (config) =>
      config.flag("use_dynamic_ntk") === true || config.flag("use_logn_attn") === true
        ? [
            note(
              "llamafied",
              `Beyond ${config.need("seq_length", "max_position_embeddings")} tokens Qwen's own code scales rope and attention (use_dynamic_ntk, use_logn_attn); a Llama does not.`,
            ),
          ]
        : [],
  },
  {
    classes: ["InternLM2ForCausalLM"],
    configClass: asWritten,
    tensors: [
      same("model.tok_embeddings.weight", "model.embed_tokens.weight"),
      ...own(["model.norm.weight"]),
      same("output.weight", "lm_head.weight"),
      ...renamed([
        [`${layer}.attention_norm.weight`, "input_layernorm.weight"],
        [`${layer}.ffn_norm.weight`, "post_attention_layernorm.weight"],
        [`${layer}.attention.wo.*`, "self_attn.o_proj.*"],
        [`${layer}.feed_forward.w1.*`, "mlp.gate_proj.*"],
        [`${layer}.feed_forward.w3.*`, "mlp.up_proj.*"],
        [`${layer}.feed_forward.w2.*`, "mlp.down_proj.*"],
      ]),
      viewed(
        `${layer}.attention.wqkv.*`,
        [
          {
            gguf: `${layer}.self_attn.q_proj.*`,
            orders: ({ config }) => [headRange(config, 0, queryHeads(config) / keyHeads(config))],
          },
          {
            gguf: `${layer}.self_attn.k_proj.*`,
            orders: ({ config }) => [headRange(config, queryHeads(config) / keyHeads(config), 1)],
          },
          {
            gguf: `${layer}.self_attn.v_proj.*`,
            orders: ({ config }) => [headRange(config, queryHeads(config) / keyHeads(config) + 1, 1)],
          },
        ],
        () => [],
      ),
    ],
  },
  { ...namesake, classes: ["InternLMForCausalLM", "InternLM3ForCausalLM"], configClass: asWritten },
  {
    classes: ["BaiChuanForCausalLM", "BaichuanForCausalLM"],
    configClass: asWritten,
    tensors: [
      ...ends,
      ...norms,
      fusedAttention(`${layer}.self_attn.W_pack.*`),
      ...own([`${layer}.self_attn.o_proj.*`]),
      ...feedForward,
    ],
    obstacle(config) {
      // 13B: positions come from slopes for each head; its config has no max_position_embeddings
      if (config.number("max_position_embeddings") === undefined || config.count("num_hidden_layers") === 40)
        return "Baichuan 13B has ALiBi instead of rotary positions";
      if (config.values.has("z_loss_weight") || config.count("vocab_size") === 125696)
        return "Baichuan 2 normalizes the rows of lm_head when it runs (NormHead)";
      return undefined;
    },
  },
  {
    classes: ernie45.classes,
    configClass: ernie45,
    tensors: [
      ...ends,
      ...norms,
      pairsToHalves(`${layer}.self_attn.q_proj.weight`, queryHeads),
      pairsToHalves(`${layer}.self_attn.k_proj.weight`, keyHeads),
      ...attention.slice(2),
      ...feedForward,
    ],
    obstacle: (config) =>
      config.flag("use_bias") === true ? "its norms and projections have biases" : undefined,
  },
  {
    classes: phi3.classes,
    configClass: phi3,
    tensors: [
      ...ends,
      ...norms,
      fusedAttention(`${layer}.self_attn.qkv_proj.*`),
      ...own([`${layer}.self_attn.o_proj.weight`, `${layer}.mlp.down_proj.weight`]),
      splitEvenly(`${layer}.mlp.gate_up_proj.weight`, [
        `${layer}.mlp.gate_proj.weight`,
        `${layer}.mlp.up_proj.weight`,
      ]),
    ],
    obstacle(config) {
      const type = field(config.rope(), "rope_type");
      if (type !== undefined && type !== "default") return `its rope scaling is ${quoted(type)}`;
      return partialRotaryObstacle(config) ?? windowObstacle(config);
    },
  },
];

/** Classes that look like Llamas but are not, with the difference. */
export const notLlamas: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [
    /Moe|Mixtral|Deepseek|GptOss|Llama4|Qwen3Next|Qwen3_5/,
    "its feed-forward layers are mixtures of experts, or its attention is another",
  ],
  [/^Qwen3/, "q and k go through norms of their own"],
  [/^Gemma/, "it has norms after each block, a scaled embedding and another activation"],
  [/^Cohere/, "attention and feed-forward run side by side, and its norms are LayerNorms"],
  [/^Olmo/, "its norms stand after attention and feed-forward"],
  [/^(StableLm|Starcoder2|Phi|GPT|Orion)/, "its norms are LayerNorms"],
  [/^SmolLM3/, "every fourth layer has no rotary positions"],
  [/^Glm/, "it has norms after each block and rotates a part of each head"],
  [/^Granite/, "its embeddings, residuals, attention and logits are multiplied by constants"],
  [/^Exaone4/, "its norms stand after attention and feed-forward"],
  [/^Lfm2/, "most of its layers are convolutions"],
  [/^(Ministral3|Mistral3)/, "its attention is scaled by position"],
];
