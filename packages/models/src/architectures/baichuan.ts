/** Baichuan 7B and 13B: Llama's weights with q, k, v in one matrix (llama.cpp, conversion/baichuan.py). */
import { string, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { derived, fixed, textParameters } from "./parameters.ts";
import { splitRows } from "./split-tensors.ts";
import { attention, decoderEnds, gatedFeedForward, keyHeads, layerNorms, queryHeads } from "./tensors.ts";

export const baichuan: Architecture = {
  name: "baichuan",
  classes: ["BaiChuanForCausalLM", "BaichuanForCausalLM"],
  modelType: "baichuan",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  parameters: [
    ...textParameters,
    fixed("~.tensor_data_layout", string("Meta AI original pth")),
    derived("~.rope.dimension_count", (config) => u32(config.headLength)),
  ],
  tensors: [
    ...decoderEnds,
    ...layerNorms,
    splitRows("model.layers.{layer}.self_attn.W_pack.weight", [
      {
        gguf: "blk.{layer}.attn_q.weight",
        rows: (config) => config.need("hidden_size"),
        rotaryHeads: queryHeads,
      },
      {
        gguf: "blk.{layer}.attn_k.weight",
        rows: (config) => config.need("hidden_size"),
        rotaryHeads: keyHeads,
      },
      { gguf: "blk.{layer}.attn_v.weight", rows: (config) => config.need("hidden_size") },
    ]),
    ...attention(false).slice(3),
    ...gatedFeedForward,
  ],
  tokenizer: { kinds: ["sentencepiece"], json: "llama" },
  finishConfig(draft) {
    draft.values.set("hidden_act", "silu");
    draft.values.set("auto_map", {
      AutoConfig: "configuration_baichuan.BaiChuanConfig",
      AutoModelForCausalLM: "modeling_baichuan.BaiChuanForCausalLM",
    });
  },
};
