/** Ministral 3: Llama with yarn and an attention temperature (llama.cpp, conversion/mistral3.py). */
import { numberField } from "../json.ts";
import { f32, numberOf, shortestFloat } from "../metadata-values.ts";
import { setRope } from "../rope.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { llama, llamaParameters, mistral } from "./llama.ts";
import { derived, deriveHeadLength, deriveKeyValueHeads } from "./parameters.ts";
import { insideModel } from "./qwen-vl.ts";

function ropeNumber(key: string, name: string): ParameterRule {
  return derived(
    key,
    (config) => {
      const value = numberField(config.rope(), name);
      return value === undefined ? undefined : f32(value);
    },
    (value, draft) => {
      const number = numberOf(value);
      if (number !== undefined) setRope(draft, name, shortestFloat(number));
    },
  );
}

export const ministral3: Architecture = {
  ...llama,
  decoder: undefined,
  name: "mistral3",
  classes: ["Ministral3ForCausalLM"],
  modelType: "ministral3",
  defaults: {
    bos_token_id: 1,
    eos_token_id: 2,
    head_dim: 128,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 262144,
    num_attention_heads: 32,
    num_hidden_layers: 34,
    num_key_value_heads: 8,
    pad_token_id: 11,
    rms_norm_eps: 1e-5,
    rope_parameters: {
      rope_type: "yarn",
      rope_theta: 1000000,
      factor: 16,
      original_max_position_embeddings: 16384,
      beta_fast: 32,
      beta_slow: 1,
      mscale_all_dim: 1,
      mscale: 1,
      llama_4_scaling_beta: 0.1,
    },
    sliding_window: null,
    tie_word_embeddings: false,
    vocab_size: 131072,
  },
  derive: [deriveHeadLength, deriveKeyValueHeads],
  parameters: [
    ...llamaParameters,
    ropeNumber("~.rope.scaling.yarn_log_multiplier", "mscale_all_dim"),
    ropeNumber("~.attention.temperature_scale", "llama_4_scaling_beta"),
  ],
  finishConfig(draft) {
    const scale = numberOf(draft.parameter("~.rope.scaling.yarn_log_multiplier"));
    if (scale === undefined) return;
    setRope(draft, "mscale", shortestFloat(scale));
    draft.assume(
      "rope_scaling.mscale",
      shortestFloat(scale),
      "taken to equal mscale_all_dim, as published models have it",
    );
  },
};

/** The language model of Mistral Small 3.1, which is a Mistral. */
export const mistral3Vision: Architecture = {
  ...llama,
  name: "mistral3",
  classes: ["Mistral3ForConditionalGeneration"],
  modelType: "mistral3",
  wrapper: { textType: "mistral" },
  defaults: mistral.defaults,
  names: insideModel,
  decoder: undefined,
  recognises: (metadata) => !metadata.has("mistral3.rope.scaling.yarn_log_multiplier"),
};
