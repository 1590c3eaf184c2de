/** The language models of Qwen2-VL, Qwen2.5-VL, Qwen3-VL and its mixture (llama.cpp, conversion/qwenvl.py and qwen3vl.py). */
import { arrayField, isJsonObject, textField } from "../json.ts";
import { numberOf, stringOf, u32 } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import { byteBpe, sentencePieceOrBpe } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ParameterRule } from "./architecture.ts";
import { transposedExperts } from "./fused-experts.ts";
import { derived, setAttentionBias, textParameters } from "./parameters.ts";
import { qwen2, qwen3, qwen3moe } from "./qwen.ts";
import { router } from "./tensors.ts";

export const qwen2vl: Architecture = {
  ...qwen2,
  name: "qwen2vl",
  classes: [
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen2VLModel",
    "Qwen2_5OmniModel",
  ],
  modelType: "qwen2_vl",
  defaults: {
    ...qwen2.defaults,
    bos_token_id: 151643,
    eos_token_id: 151645,
    hidden_size: 8192,
    intermediate_size: 29568,
    max_window_layers: 80,
    num_attention_heads: 64,
    num_hidden_layers: 80,
    num_key_value_heads: 8,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 1000000, rope_type: "default" },
    vocab_size: 152064,
  },
  derive: [
    ...(qwen2.derive ?? []),
    (values) => {
      // an older name of the type, which transformers replaces
      const rope = values.get("rope_parameters");
      if (isJsonObject(rope) && textField(rope, "rope_type") === "mrope")
        values.set("rope_parameters", { ...rope, rope_type: "default" });
    },
  ],
  parameters: textParameters,
  tokenizer: sentencePieceOrBpe,
  decoder: undefined,
  finishConfig(draft) {
    // both generations have one name in GGUF
    const name = stringOf(draft.metadata.get("general.name")) ?? "";
    if (!/2\.5/.test(name)) return;
    draft.values.set("architectures", ["Qwen2_5_VLForConditionalGeneration"]);
    draft.values.set("model_type", "qwen2_5_vl");
  },
};

/** How many layers of the vision encoder are added to the first layers of the language model. */
export const deepstackLayers: ParameterRule = derived(
  "~.n_deepstack_layers",
  (config) => {
    const vision = config.get("vision_config");
    return u32(
      (isJsonObject(vision) ? arrayField(vision, "deepstack_visual_indexes") : undefined)?.length ?? 0,
    );
  },
  (value, draft) => {
    const count = numberOf(value) ?? 0;
    // the published models; a GGUF of the language model holds the number only
    const published = [8, 16, 24];
    const layers = Array.from({ length: count }, (_, index) => published[index] ?? index);
    draft.values.set("vision_config", { deepstack_visual_indexes: layers });
    draft.assume(
      "vision_config.deepstack_visual_indexes",
      layers,
      "the layers' numbers are in the GGUF of the vision encoder",
    );
  },
);

/** Names of the language model inside the whole model. */
export const insideModel: NonNullable<Architecture["names"]> = {
  toRules: (name) => name,
  fromRules: (name) => name.replace(/^model\./, "model.language_model."),
};

function finishQwen3(draft: ConfigDraft): void {
  setAttentionBias(draft);
  setRope(draft, "mrope_interleaved", true);
}

export const qwen3vl: Architecture = {
  ...qwen3,
  name: "qwen3vl",
  classes: ["Qwen3VLForConditionalGeneration"],
  modelType: "qwen3_vl",
  wrapper: { textType: "qwen3_vl_text" },
  defaults: {
    attention_bias: false,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 22016,
    max_position_embeddings: 128000,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 151936,
  },
  names: insideModel,
  parameters: [...qwen3.parameters, deepstackLayers],
  decoder: undefined,
  finishConfig: finishQwen3,
};

export const qwen3vlmoe: Architecture = {
  ...qwen3moe,
  name: "qwen3vlmoe",
  classes: ["Qwen3VLMoeForConditionalGeneration"],
  modelType: "qwen3_vl_moe",
  wrapper: { textType: "qwen3_vl_moe_text" },
  defaults: {
    attention_bias: false,
    decoder_sparse_step: 1,
    hidden_act: "silu",
    hidden_size: 2048,
    intermediate_size: 5632,
    max_position_embeddings: 128000,
    mlp_only_layers: [],
    moe_intermediate_size: 1408,
    norm_topk_prob: true,
    num_attention_heads: 16,
    num_experts_per_tok: 4,
    num_hidden_layers: 24,
    num_key_value_heads: 16,
    num_local_experts: 60,
    pad_token_id: null,
    rms_norm_eps: 1e-6,
    rope_parameters: { rope_theta: 500000, rope_type: "default" },
    tie_word_embeddings: true,
    vocab_size: 151936,
  },
  names: insideModel,
  parameters: [...qwen3moe.parameters, deepstackLayers],
  tensors: [...qwen3.tensors, ...transposedExperts("model.layers.{layer}.mlp.experts"), router],
  tokenizer: byteBpe,
  decoder: undefined,
  finishConfig(draft) {
    finishQwen3(draft);
    qwen3moe.finishConfig?.(draft);
  },
};
