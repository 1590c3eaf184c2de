/** openPangu Embedded: Llama's names with biases, rows of q and k as they are (llama.cpp, conversion/pangu.py). */
import type { Config } from "../config.ts";
import { u32 } from "../metadata-values.ts";
import { spacePrefixOfConfig } from "../tokenizer/extras.ts";
import type { Architecture, ParameterRule } from "./architecture.ts";
import { derived, generic, textParameters, wholeHeadRope } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms, tiedHead } from "./tensors.ts";

/** Lengths of keys and values, which stand after the others where config.json has no head_dim. */
const derivedLength = (key: string): ParameterRule =>
  derived(key, (config: Config) =>
    config.count("head_dim") === undefined ? u32(config.headLength) : undefined,
  );

export const pangu: Architecture = {
  name: "pangu-embedded",
  classes: ["PanguEmbeddedForCausalLM"],
  modelType: "PanguEmbedded",
  // transformers has no class for it
  defaults: {},
  parameters: [
    ...textParameters,
    generic.vocabularySize,
    wholeHeadRope,
    derivedLength("~.attention.key_length"),
    derivedLength("~.attention.value_length"),
  ],
  tensors: [...decoderEnds, ...layerNorms, ...attention(false), ...gatedFeedForward],
  leftOut: [tiedHead],
  tokenizer: { kinds: ["sentencepiece"], after: [spacePrefixOfConfig], json: "llama" },
  finishConfig({ values, ggufNames }) {
    values.delete("head_dim");
    values.set("bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("hidden_act", "silu");
  },
};
