/** ModernBERT: rotary positions, windows in two of three layers, a gated feed-forward (llama.cpp, conversion/bert.py and models/modern-bert.cpp). */
import type { ConfigValues } from "../config.ts";
import { isJsonObject } from "../json.ts";
import { bool, string, stringOf } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import type { Architecture } from "./architecture.ts";
import { encoderParameters, finishEncoder, headPrefix, notConverted } from "./bert.ts";
import { count, derived, fixed, generic } from "./parameters.ts";
import { nameClassifier } from "./pooling.ts";
import { same } from "./tensors.ts";

const bases = { global_rope_theta: 160000, local_rope_theta: 10000 } as const;

/** The two bases of the rotation, in transformers 5's shape. */
function deriveRope(values: ConfigValues): void {
  const given = values.get("rope_parameters");
  if (isJsonObject(given) && isJsonObject(given["full_attention"])) return;
  const base = (name: keyof typeof bases): number => {
    const value = values.get(name);
    return typeof value === "number" ? value : bases[name];
  };
  values.set("rope_parameters", {
    full_attention: { rope_theta: base("global_rope_theta"), rope_type: "default" },
    sliding_attention: { rope_theta: base("local_rope_theta"), rope_type: "default" },
  });
}

const alwaysAdded: TokenizerExtra = () =>
  ["bos", "eos", "sep"].map((role) => [`tokenizer.ggml.add_${role}_token`, bool(true)]);

export const modernBert: Architecture = {
  name: "modern-bert",
  memory: { keepsNothing: true },
  classes: ["ModernBertModel", "ModernBertForMaskedLM", "ModernBertForSequenceClassification"],
  modelType: "modernbert",
  defaults: {
    attention_bias: false,
    classifier_activation: "gelu",
    classifier_pooling: "cls",
    global_attn_every_n_layers: 3,
    hidden_activation: "gelu",
    hidden_size: 768,
    intermediate_size: 1152,
    local_attention: 128,
    max_position_embeddings: 8192,
    mlp_bias: false,
    norm_bias: false,
    norm_eps: 1e-5,
    num_attention_heads: 12,
    num_hidden_layers: 22,
    vocab_size: 50368,
  },
  derive: [deriveRope],
  parameters: [
    ...encoderParameters,
    count("~.attention.sliding_window", ["local_attention"]),
    count("~.attention.sliding_window_pattern", ["global_attn_every_n_layers"]),
    fixed("~.rope.scaling.type", string("none")),
    generic.vocabularySize,
    derived(
      "~.hidden_activation",
      (config) => {
        const name = config.text("hidden_activation");
        return name === undefined ? undefined : string(name);
      },
      (value, draft) => draft.values.set("hidden_activation", stringOf(value) ?? "gelu"),
    ),
  ],
  names: headPrefix("model.", true),
  tensors: [
    same("embeddings.tok_embeddings.weight", "token_embd.weight"),
    same("embeddings.norm.*", "token_embd_norm.*"),
    same("final_norm.*", "output_norm.*"),
    same("layers.{layer}.attn_norm.*", "blk.{layer}.attn_norm.*"),
    same("layers.{layer}.attn.Wqkv.*", "blk.{layer}.attn_qkv.*"),
    same("layers.{layer}.attn.Wo.*", "blk.{layer}.attn_output.*"),
    same("layers.{layer}.mlp_norm.*", "blk.{layer}.ffn_norm.*"),
    // gate and up of the feed-forward in one matrix
    same("layers.{layer}.mlp.Wi.*", "blk.{layer}.ffn_up.*"),
    same("layers.{layer}.mlp.Wo.*", "blk.{layer}.ffn_down.*"),
    same("classifier.out_proj.*", "cls.output.*"),
    same("head.dense.*", "cls.*"),
    same("head.norm.*", "cls.norm.*"),
  ],
  leftOut: notConverted,
  tokenizer: { kinds: byteKinds, before: [alwaysAdded] },
  finishConfig(draft) {
    finishEncoder(draft);
    const rope = draft.values.get("rope_parameters");
    for (const [type, name] of [
      ["full_attention", "global_rope_theta"],
      ["sliding_attention", "local_rope_theta"],
    ] as const) {
      const own = isJsonObject(rope) ? rope[type] : undefined;
      if (isJsonObject(own)) draft.values.set(name, own["rope_theta"] ?? bases[name]);
    }
    // transformers refuses settings that it derives from the older names
    draft.values.delete("rope_parameters");
    nameClassifier(draft, "ModernBertForSequenceClassification");
  },
};
