/** NeoBERT: pre-norm layers with rotary positions and a gated feed-forward (llama.cpp, conversion/bert.py and models/neo-bert.cpp). */
import { f32, numberOf, string, u32 } from "../metadata-values.ts";
import type { Architecture } from "./architecture.ts";
import { encoderParameters, finishEncoder, headPrefix, notConverted, wordPiece } from "./bert.ts";
import { derived, fixed } from "./parameters.ts";
import { nameClassifier } from "./pooling.ts";
import { same } from "./tensors.ts";

const layer = "transformer_encoder.{layer}";

/** Gate and up together have the width of the config, of which a gated feed-forward uses two thirds. */
const feedForwardLength = derived(
  "~.feed_forward_length",
  (config) => u32(Math.floor((2 * config.need("intermediate_size")) / 3)),
  (value, draft) => {
    draft.values.set("intermediate_size", Math.ceil(((numberOf(value) ?? 0) * 3) / 2));
  },
);

export const neoBert: Architecture = {
  name: "neo-bert",
  memory: { keepsNothing: true },
  classes: ["NeoBERT", "NeoBERTLMHead", "NeoBERTForSequenceClassification"],
  modelType: "neobert",
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["max_length", "norm_eps"],
  hasRope: false,
  parameters: [
    ...encoderParameters,
    feedForwardLength,
    fixed("~.rope.freq_base", f32(10000)),
    fixed("~.rope.scaling.type", string("none")),
    derived("~.attention.layer_norm_rms_epsilon", (config) => f32(config.number("norm_eps") ?? 1e-6)),
    // the class has no other way (the model card's example)
    fixed("~.pooling_type", u32(2)),
  ],
  names: headPrefix("model.", true),
  tensors: [
    same("encoder.weight", "token_embd.weight"),
    same("layer_norm.*", "enc.output_norm.*"),
    same(`${layer}.attention_norm.*`, "blk.{layer}.attn_norm.*"),
    same(`${layer}.qkv.*`, "blk.{layer}.attn_qkv.*"),
    same(`${layer}.wo.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.ffn_norm.*`, "blk.{layer}.ffn_norm.*"),
    // gate and up of the feed-forward in one matrix
    same(`${layer}.ffn.w12.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.ffn.w3.*`, "blk.{layer}.ffn_down.*"),
    same("classifier.out_proj.*", "cls.output.*"),
    same("dense.*", "cls.*"),
  ],
  leftOut: notConverted,
  tokenizer: wordPiece,
  finishConfig(draft) {
    finishEncoder(draft);
    const { values } = draft;
    values.delete("type_vocab_size");
    const hidden = numberOf(draft.parameter("~.embedding_length")) ?? 0;
    const heads = numberOf(draft.parameter("~.attention.head_count")) ?? 1;
    values.set("dim_head", hidden / heads);
    values.set("auto_map", {
      AutoConfig: "chandar-lab/NeoBERT--model.NeoBERTConfig",
      AutoModel: "chandar-lab/NeoBERT--model.NeoBERT",
    });
    nameClassifier(draft, "NeoBERTForSequenceClassification");
  },
};
