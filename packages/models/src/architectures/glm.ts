import { numberField } from "../json.ts";
import { u32 } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { Architecture, PlannedTensor, TensorContext, TensorRule } from "./architecture.ts";
import { llamaDecoder } from "./decoder.ts";
import {
  expertWeightsNorm,
  expertWeightsScale,
  leadingDenseCount,
  sharedExpertCount,
} from "./expert-parameters.ts";
import { routerBias, sharedExpertFeedForward } from "./expert-tensors.ts";
import {
  deriveHeadLength,
  deriveKeyValueHeads,
  fixed,
  gatingFunctions,
  generic,
  partOfHeadRope,
  setAttentionBias,
  textParameters,
} from "./parameters.ts";
import { countedBlocks, nextTokenTensors, predictionCount } from "./prediction.ts";
import { insideModel } from "./qwen-vl.ts";
import { attention, decoderEnds, headNorms, layerNorms, same } from "./tensors.ts";

function glmTokenizer(rolesByText: readonly (readonly [string, string])[]): TokenizerRules {
  return { kinds: byteKinds, rolesByText };
}

export const glmMoeTokenizer: TokenizerRules = glmTokenizer([
  ["bos", "[gMASK]"],
  ["eot", "<|user|>"],
  ["unk", "<|endoftext|>"],
  ["eom", "<|observation|>"],
]);

export const glm4: Architecture = {
  name: "glm4",
  classes: ["Glm4ForCausalLM"],
  modelType: "glm4",
  defaults: {
    attention_bias: true,
    bos_token_id: null,
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
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151552,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [...textParameters, partOfHeadRope],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    same("model.layers.{layer}.post_self_attn_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    same("model.layers.{layer}.post_mlp_layernorm.weight", "blk.{layer}.post_ffw_norm.weight"),
    ...attention(false),
    same("model.layers.{layer}.mlp.gate_up_proj.weight", "blk.{layer}.ffn_up.weight"),
    same("model.layers.{layer}.mlp.down_proj.weight", "blk.{layer}.ffn_down.weight"),
  ],
  // llama.cpp, src/models/glm4.cpp
  decoder: {
    ...llamaDecoder,
    parts: ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"],
    gate: "fused",
  },
  tokenizer: glmTokenizer([
    ["eos", "<|endoftext|>"],
    ["eot", "<|user|>"],
    ["unk", "<|endoftext|>"],
    ["bos", "<|endoftext|>"],
  ]),
  finishConfig: setAttentionBias,
};

const pairRange = (context: TensorContext): readonly [head: number, rotary: number] => {
  const head = context.config.headLength;
  const factor = numberField(context.config.rope(), "partial_rotary_factor") ?? 0.5;
  return [head, Math.trunc(head * factor)];
};

/** Heads whose rotary rows are pairs in the checkpoint, and halves in a GGUF with rotary sections. */
function pairsToHalves(part: "q" | "k"): TensorRule {
  const perHead = (
    name: string,
    context: TensorContext,
    rotated: (range: readonly [number, number], rotary: number, heads: number) => WeightInput,
  ): PlannedTensor => {
    const shape = context.shapeOf(name);
    const [head, rotary] = pairRange(context);
    const heads = (shape[0] ?? 0) / head;
    const flat = shape.length === 1 ? { rowLength: 1 } : {};
    const inputs = Array.from({ length: heads }, (_, index): WeightInput[] => [
      rotated([index, index + 1], rotary, heads),
      {
        tensor: name,
        ...flat,
        rowOrder: {
          kind: "view",
          view: [heads, head],
          ranges: [
            [index, index + 1],
            [rotary, head],
          ],
        },
      },
    ]);
    return { shape, inputs: rotary === head ? inputs.flatMap(([first]) => first ?? []) : inputs.flat() };
  };
  return {
    hf: [`model.layers.{layer}.self_attn.${part}_proj.*`],
    gguf: [`blk.{layer}.attn_${part}.*`],
    toGguf: ([[name = ""] = []], context) => [
      perHead(name, context, (range, rotary, heads) => ({
        tensor: name,
        ...(context.suffix === ".bias" ? { rowLength: 1 } : {}),
        rowOrder: {
          kind: "view",
          view: [heads, pairRange(context)[0] / 2, 2],
          ranges: [range, [0, rotary / 2], null],
          axes: [0, 2, 1],
        },
      })),
    ],
    toHf: ([name = ""], context) => [
      [
        perHead(name, context, (range, rotary, heads) => ({
          join: [
            {
              tensor: name,
              ...(context.suffix === ".bias" ? { rowLength: 1 } : {}),
              rowOrder: {
                kind: "view",
                view: [heads, pairRange(context)[0]],
                ranges: [range, [0, rotary]],
              },
            },
          ],
          rowOrder: { kind: "view", view: [2, rotary / 2], axes: [1, 0] },
        })),
      ],
    ],
  };
}

/** The language model of GLM-4.1V. */
export const glm4v: Architecture = {
  ...glm4,
  decoder: undefined,
  classes: ["Glm4vForConditionalGeneration"],
  modelType: "glm4v",
  wrapper: { textType: "glm4v_text" },
  defaults: {
    ...glm4.defaults,
    max_position_embeddings: 32768,
    rms_norm_eps: 1e-5,
  },
  names: insideModel,
  tensors: [
    pairsToHalves("q"),
    pairsToHalves("k"),
    ...glm4.tensors.filter(({ gguf: [name] }) => !/\.attn_[qk]\.\*$/.test(name ?? "")),
  ],
  recognises: (metadata) => metadata.has("glm4.rope.dimension_sections"),
};

export const glm4moe: Architecture = {
  ...glm4,
  decoder: undefined,
  name: "glm4moe",
  memory: { keepsHidden: true },
  classes: ["Glm4MoeForCausalLM", "Glm4vMoeForConditionalGeneration"],
  modelType: "glm4_moe",
  defaults: {
    attention_bias: false,
    bos_token_id: null,
    eos_token_id: null,
    first_k_dense_replace: 1,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 10944,
    max_position_embeddings: 131072,
    moe_intermediate_size: 1408,
    n_group: 1,
    n_routed_experts: 128,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: 96,
    num_experts_per_tok: 8,
    num_hidden_layers: 46,
    num_key_value_heads: 8,
    pad_token_id: null,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, partial_rotary_factor: 0.5, rope_type: "default" },
    routed_scaling_factor: 1,
    tie_word_embeddings: false,
    topk_group: 1,
    use_qk_norm: false,
    vocab_size: 151552,
  },
  parameters: [
    countedBlocks,
    ...textParameters.slice(1).filter((rule) => rule !== generic.gatingFunction),
    partOfHeadRope,
    generic.expertFeedForwardLength,
    sharedExpertCount("n_shared_experts"),
    leadingDenseCount("first_k_dense_replace"),
    fixed("~.expert_gating_func", u32(gatingFunctions.sigmoid)),
    expertWeightsScale("routed_scaling_factor"),
    expertWeightsNorm("norm_topk_prob"),
    predictionCount,
  ],
  tensors: [
    ...decoderEnds,
    same("model.layers.{layer}.input_layernorm.weight", "blk.{layer}.attn_norm.weight"),
    same("model.layers.{layer}.post_attention_layernorm.weight", "blk.{layer}.post_attention_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...sharedExpertFeedForward,
    routerBias,
    ...nextTokenTensors,
  ],
  tokenizer: glmMoeTokenizer,
  finishConfig(draft) {
    setAttentionBias(draft);
    draft.values.set("use_qk_norm", draft.ggufNames.has("blk.0.attn_q_norm.weight"));
  },
};
