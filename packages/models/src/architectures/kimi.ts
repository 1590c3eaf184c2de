/** Kimi-K2: DeepSeek V3's weights with a tiktoken vocabulary (llama.cpp, conversion/deepseek.py). */
import { textConfig } from "../hf-files.ts";
import { field } from "../json.ts";
import { stringOf } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { deepseek3 } from "./deepseek.ts";

export const kimiK2: Architecture = {
  ...deepseek3,
  classes: ["DeepseekV3ForCausalLM"],
  modelType: "kimi_k2",
  claims: (config) => field(textConfig(config), "model_type") === "kimi_k2",
  // transformers has no class of this model type, so config.json gets no head_dim
  derive: [(values) => values.delete("head_dim")],
  tokenizer: { ...deepseek3.tokenizer, kinds: [...deepseek3.tokenizer.kinds, "kimi"] },
  finishConfig(draft) {
    deepseek3.finishConfig?.(draft);
    draft.values.delete("head_dim");
    draft.values.set("topk_method", "noaux_tc");
    draft.values.set("moe_layer_freq", 1);
  },
  recognises: (metadata) => stringOf(metadata.get("tokenizer.ggml.pre")) === "kimi-k2",
};
