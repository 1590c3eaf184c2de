/** BitNet b1.58: Llama's layers, whose matrices have three values (llama.cpp, conversion/bitnet.py and models/bitnet.cpp). */
import { f32, string } from "../metadata-values.ts";
import type { Architecture, TensorRule } from "./architecture.ts";
import { deriveKeyValueHeads, fixed, textParameters } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, layerNorms, mapped, same } from "./tensors.ts";

const layer = "model.layers.{layer}";

/** The matrix with each weight rounded to one of three values. */
function ternary({ hf: [hf = ""], gguf: [gguf = ""] }: TensorRule): TensorRule {
  return mapped(
    hf.replace(".*", ".weight"),
    gguf.replace(".*", ".weight"),
    () => ({ map: "ternary" }),
    () => ({}),
  );
}

export const bitnet: Architecture = {
  name: "bitnet",
  classes: ["BitnetForCausalLM", "BitNetForCausalLM"],
  modelType: "bitnet",
  // the published config classes differ, so config.json gets no defaults
  defaults: {},
  derive: [deriveKeyValueHeads],
  parameters: [
    ...textParameters,
    fixed("~.rope.scaling.type", string("linear")),
    fixed("~.rope.scaling.factor", f32(1)),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    ...attention(false).map(ternary),
    same(`${layer}.self_attn.inner_attn_ln.weight`, "blk.{layer}.attn_sub_norm.weight"),
    ...gatedFeedForward.map(ternary),
    same(`${layer}.mlp.ffn_layernorm.weight`, "blk.{layer}.ffn_sub_norm.weight"),
  ],
  tokenizer: { kinds: ["sentencepiece"], json: "llama" },
  notBack:
    "its weights are rounded already, and the family's class would round them a second time, to other values",
};
