/** Jina's BERT with ALiBi and a gated feed-forward, embeddings v2 and code (llama.cpp, conversion/bert.py and models/bert.cpp). */
import { textField } from "../json.ts";
import { numberOf, u32 } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import type { Architecture } from "./architecture.ts";
import { bert, encoderAttention, tokenEmbeddings } from "./bert.ts";
import { readOnly, same } from "./tensors.ts";

const layer = "encoder.layer.{layer}";

const isByteLevel = (tokenizerClass: string | undefined): boolean => tokenizerClass === "RobertaTokenizer";

const countBefore: TokenizerExtra = ({ files, config }) =>
  isByteLevel(textField(files.tokenizerConfig, "tokenizer_class"))
    ? []
    : [["tokenizer.ggml.token_type_count", u32(config.count("type_vocab_size") ?? 1)]];

const countAfter: TokenizerExtra = ({ files }) =>
  isByteLevel(textField(files.tokenizerConfig, "tokenizer_class"))
    ? [["tokenizer.ggml.token_type_count", u32(2)]]
    : [];

export const jinaBertV2: Architecture = {
  ...bert,
  name: "jina-bert-v2",
  classes: ["JinaBertModel", "JinaBertForMaskedLM"],
  tensors: [
    ...tokenEmbeddings,
    same("embeddings.LayerNorm.*", "token_embd_norm.*"),
    ...encoderAttention,
    same(`${layer}.attention.self.layer_norm_q.*`, "blk.{layer}.attn_q_norm.*"),
    same(`${layer}.attention.self.layer_norm_k.*`, "blk.{layer}.attn_k_norm.*"),
    same(`${layer}.mlp.gated_layers.*`, "blk.{layer}.ffn_up.*"),
    same(`${layer}.mlp.wo.*`, "blk.{layer}.ffn_down.*"),
    same(`${layer}.mlp.layernorm.*`, "blk.{layer}.layer_output_norm.*"),
    same(`${layer}.layer_norm_1.*`, "blk.{layer}.attn_norm_2.*"),
    // the names of jina-embeddings-v2-base-code
    readOnly(same(`${layer}.mlp.up_gated_layer.*`, "blk.{layer}.ffn_up.*")),
    readOnly(same(`${layer}.mlp.down_layer.*`, "blk.{layer}.ffn_down.*")),
    readOnly(same(`${layer}.layer_norm_2.*`, "blk.{layer}.layer_output_norm.*")),
    same("classifier.*", "cls.*"),
  ],
  tokenizer: { kinds: ["wordpiece", ...byteKinds], before: [countBefore], after: [countAfter] },
  finishConfig(draft) {
    bert.finishConfig?.(draft);
    const { values } = draft;
    values.set("position_embedding_type", "alibi");
    values.set("feed_forward_type", "geglu");
    values.set("emb_pooler", "mean");
    values.set("model_max_length", numberOf(draft.parameter("~.context_length")) ?? 8192);
    values.set("auto_map", {
      AutoConfig: "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
      AutoModel: "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
    });
  },
  recognises: () => true,
};
