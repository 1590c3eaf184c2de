/** Apertus: xIELU, whose parameters a GGUF has as metadata, and norms of queries and keys (llama.cpp, conversion/llama.py `ApertusModel`, models/apertus.cpp). */
import { ConversionError } from "@requant/core";
import { numberArray, numbersOf } from "../metadata-values.ts";
import type { Architecture, NamedValues, ParameterRule } from "./architecture.ts";
import { llama } from "./llama.ts";
import { deriveKeyValueHeads, setAttentionBias } from "./parameters.ts";
import { attention, decoderEnds, headNorms, plainFeedForward, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

/** The parameters, with the shapes in which a checkpoint has them. */
const parts: readonly { readonly name: string; readonly shape: readonly number[] }[] = [
  { name: "alpha_n", shape: [1] },
  { name: "alpha_p", shape: [1] },
  { name: "beta", shape: [] },
  { name: "eps", shape: [] },
];

const nameOf = (index: number, part: string): string => `model.layers.${index}.mlp.act_fn.${part}`;

/** One number of each layer. */
const activation = (part: string): ParameterRule => ({
  key: `xielu.${part}`,
  toGguf(config, { values }) {
    const numbers = Array.from({ length: config.need("num_hidden_layers") }, (_, index) => {
      const found = values?.get(nameOf(index, part))?.[0];
      if (found !== undefined) return found;
      throw new ConversionError(`The value of ${nameOf(index, part)} is missing.`, {
        tensor: nameOf(index, part),
        hint: "Check that all shards are there.",
      });
    });
    return numberArray("f32", numbers);
  },
});

export const apertus: Architecture = {
  ...llama,
  decoder: undefined,
  name: "apertus",
  classes: ["ApertusForCausalLM"],
  modelType: "apertus",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "xielu",
    hidden_size: 4096,
    intermediate_size: 14336,
    max_position_embeddings: 65536,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: null,
    pad_token_id: 3,
    rms_norm_eps: 1e-5,
    rope_parameters: {
      rope_type: "llama3",
      rope_theta: 12000000,
      factor: 8,
      original_max_position_embeddings: 8192,
      low_freq_factor: 1,
      high_freq_factor: 4,
    },
    tie_word_embeddings: false,
    vocab_size: 131072,
  },
  derive: [deriveKeyValueHeads],
  earlyParameters: parts.map(({ name }) => activation(name)),
  tensors: [
    ...decoderEnds,
    same(`${layer}.attention_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    ...attention(false),
    ...headNorms,
    same(`${layer}.feedforward_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    ...plainFeedForward,
  ],
  metadataTensors: {
    pattern: /\.mlp\.act_fn\.(?:alpha_n|alpha_p|beta|eps)$/,
    restore: (metadata) =>
      parts.flatMap(({ name, shape }) =>
        (numbersOf(metadata.get(`xielu.${name}`)) ?? []).map(
          (value, index): NamedValues => ({ name: nameOf(index, name), shape, values: [value] }),
        ),
      ),
  },
  finishConfig: setAttentionBias,
};
