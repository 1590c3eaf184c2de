/** DeepSeek-MoE, the first version: Llama with experts, dense first layers, shared experts (llama.cpp, conversion/deepseek.py). */
import { f32, string } from "../metadata-values.ts";
import { sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture } from "./architecture.ts";
import { leadingDenseCount, sharedExpertCount } from "./expert-parameters.ts";
import { sharedExpertFeedForward } from "./expert-tensors.ts";
import { deriveKeyValueHeads, fixed, generic, textParameters, wholeHeadRope } from "./parameters.ts";
import { attention, decoderEnds, layerNorms } from "./tensors.ts";

export const deepseekMoe: Architecture = {
  name: "deepseek",
  classes: ["DeepseekForCausalLM"],
  modelType: "deepseek",
  // transformers has no class for it
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    wholeHeadRope,
    fixed("~.rope.scaling.type", string("none")),
    leadingDenseCount("first_k_dense_replace"),
    generic.vocabularySize,
    generic.expertFeedForwardLength,
    fixed("~.expert_weights_scale", f32(1)),
    sharedExpertCount("n_shared_experts"),
  ],
  tensors: [...decoderEnds, ...layerNorms, ...attention(true), ...sharedExpertFeedForward],
  tokenizer: sentencePieceOrBpe,
  finishConfig({ values, ggufNames }) {
    values.set("n_routed_experts", values.get("num_local_experts") ?? null);
    values.delete("num_local_experts");
    values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("norm_topk_prob", false);
    values.set("moe_layer_freq", 1);
    values.set("hidden_act", "silu");
  },
};
