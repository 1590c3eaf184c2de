/** Orion: Llama's layers with norms that subtract the mean (llama.cpp, conversion/orion.py and models/orion.cpp). */
import { numberOf, string, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { derived, deriveKeyValueHeads, fixed, generic, real } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms } from "./tensors.ts";

export const orion: Architecture = {
  name: "orion",
  classes: ["OrionForCausalLM"],
  modelType: "orion",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [
    generic.fileType,
    fixed("~.tensor_data_layout", string("Meta AI original pth")),
    derived(
      "~.context_length",
      (config) => u32(config.need("max_sequence_length", "max_position_embeddings", "model_max_length")),
      (value, draft) => draft.values.set("max_position_embeddings", numberOf(value) ?? 0),
    ),
    generic.embeddingLength,
    generic.blockCount,
    generic.feedForwardLength,
    generic.headCount,
    generic.headCountKv,
    // the config names it after another kind of norm
    real("~.attention.layer_norm_epsilon", ["rms_norm_eps"]),
  ],
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...gatedFeedForward],
  tokenizer: { kinds: ["sentencepiece"], json: "llama" },
  finishConfig(draft) {
    draft.values.set("rope_theta", 10000);
    draft.assume("rope_theta", 10000, "a GGUF of this family does not hold it; all published models have it");
    draft.values.set("auto_map", {
      AutoConfig: "OrionStarAI/Orion-14B-Base--configuration_orion.OrionConfig",
      AutoModelForCausalLM: "OrionStarAI/Orion-14B-Base--modeling_orion.OrionForCausalLM",
    });
  },
};
