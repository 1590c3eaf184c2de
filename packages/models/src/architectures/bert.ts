/** BERT and XLM-RoBERTa, for embeddings (llama.cpp, conversion/bert.py and models/bert.cpp). Pooling and heads are not in GGUF. */
import type { ConfigValues } from "../config.ts";
import { flagField, textField } from "../json.ts";
import { bool, numberOf, stringOf, u32 } from "../metadata-values.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import { fixed, textParameters } from "./parameters.ts";
import { same } from "./tensors.ts";

const layer = "encoder.layer.{layer}";

const layers: readonly TensorRule[] = [
  same(`${layer}.attention.self.query.*`, "blk.{layer}.attn_q.*"),
  same(`${layer}.attention.self.key.*`, "blk.{layer}.attn_k.*"),
  same(`${layer}.attention.self.value.*`, "blk.{layer}.attn_v.*"),
  same(`${layer}.attention.output.dense.*`, "blk.{layer}.attn_output.*"),
  same(`${layer}.attention.output.LayerNorm.*`, "blk.{layer}.attn_output_norm.*"),
  same(`${layer}.intermediate.dense.*`, "blk.{layer}.ffn_up.*"),
  same(`${layer}.output.dense.*`, "blk.{layer}.ffn_down.*"),
  same(`${layer}.output.LayerNorm.*`, "blk.{layer}.layer_output_norm.*"),
];

const embeddings: readonly TensorRule[] = [
  same("embeddings.word_embeddings.weight", "token_embd.weight"),
  same("embeddings.token_type_embeddings.weight", "token_types.weight"),
  same("embeddings.LayerNorm.*", "token_embd_norm.*"),
];

const positions = "embeddings.position_embeddings.weight";

/** Rows before the first position: the rows up to the padding token's row. */
const offsetOf = (padId: number): number => padId + 1;

/** Positions begin after the padding token's row; earlier rows are never used. */
const offsetPositions: TensorRule = {
  hf: [positions],
  gguf: ["position_embd.weight"],
  toGguf: ([names], { config, shapeOf }) => {
    const tensor = names?.[0] ?? "";
    const [rows = 0, length = 0] = shapeOf(tensor);
    const offset = offsetOf(config.count("pad_token_id") ?? -1);
    return [{ shape: [rows - offset, length], inputs: [{ tensor, rows: [offset, rows] }] }];
  },
  toHf: ([tensor = ""], { config, shapeOf }) => {
    const [rows = 0, length = 0] = shapeOf(tensor);
    const offset = offsetOf(config.count("pad_token_id") ?? -1);
    const zeros = offset === 0 ? [] : [{ zeros: offset * length }];
    return [[{ shape: [rows + offset, length], inputs: [...zeros, { tensor }] }]];
  },
};

const poolingTypes: readonly (readonly [flag: string, mode: string, type: number])[] = [
  ["pooling_mode_mean_tokens", "mean", 1],
  ["pooling_mode_cls_token", "cls", 2],
  ["pooling_mode_lasttoken", "lasttoken", 3],
];

/** How the vectors of all tokens become one, from the pooling module of sentence-transformers. */
const pooling: ParameterRule = {
  key: "~.pooling_type",
  toGguf(_, { pooling: json }) {
    const found =
      poolingTypes.find(([flag]) => flagField(json, flag) === true) ??
      poolingTypes.find(([, mode]) => textField(json, "pooling_mode") === mode);
    return found === undefined ? undefined : u32(found[2]);
  },
};

const parameters: readonly ParameterRule[] = [
  ...textParameters,
  fixed("~.attention.causal", bool(false)),
  pooling,
];

const tokenTypeCount: TokenizerExtra = ({ config }) => [
  ["tokenizer.ggml.token_type_count", u32(config.count("type_vocab_size") ?? 1)],
];

const notConverted: readonly LeftOutRule[] = [
  { pattern: /(?:^|\.)pooler\.dense\./, reason: "llama.cpp pools by itself" },
  { pattern: /(?:^|\.)embeddings\.position_ids$/, reason: "position numbers: computed, not a weight" },
  {
    pattern: /^(?:cls\.|lm_head\.)/,
    reason: "a head of pre-training: an embedding model's GGUF does not hold it",
  },
];

/** Removes the prefix of models with a head, and gives norms their names since 2019. */
const names = {
  toRules: (name: string): string =>
    name
      .replace(/^(?:bert|roberta)\./, "")
      .replace(/\.gamma$/, ".weight")
      .replace(/\.beta$/, ".bias"),
  fromRules: (name: string): string => name,
};

function finish(draft: ConfigDraft): void {
  const { values } = draft;
  values.set("type_vocab_size", numberOf(draft.metadata.get("tokenizer.ggml.token_type_count")) ?? 1);
  values.set("vocab_size", draft.shapeOf("token_embd.weight")?.[0] ?? null);
  values.delete("tie_word_embeddings");
}

export const bert: Architecture = {
  name: "bert",
  classes: ["BertModel", "BertForMaskedLM"],
  modelType: "bert",
  hasRope: false,
  defaults: {
    hidden_act: "gelu",
    hidden_size: 768,
    intermediate_size: 3072,
    layer_norm_eps: 1e-12,
    max_position_embeddings: 512,
    num_attention_heads: 12,
    num_hidden_layers: 12,
    pad_token_id: 0,
    position_embedding_type: "absolute",
    type_vocab_size: 2,
    vocab_size: 30522,
  },
  parameters,
  names,
  tensors: [...embeddings, same(positions, "position_embd.weight"), ...layers],
  leftOut: notConverted,
  tokenizer: { kinds: ["wordpiece"], before: [tokenTypeCount] },
  finishConfig: finish,
  recognises: (metadata) => stringOf(metadata.get("tokenizer.ggml.model")) === "bert",
};

export const xlmRoberta: Architecture = {
  ...bert,
  classes: ["XLMRobertaModel"],
  modelType: "xlm-roberta",
  defaults: {
    ...bert.defaults,
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 1,
  },
  derive: [
    (values: ConfigValues): void => {
      const length = values.get("max_position_embeddings");
      const pad = values.get("pad_token_id");
      if (typeof length === "number" && typeof pad === "number")
        values.set("max_position_embeddings", length - offsetOf(pad));
    },
  ],
  tensors: [...embeddings, offsetPositions, ...layers],
  tokenizer: { kinds: ["xlm-sentencepiece", "unigram"], between: [tokenTypeCount] },
  finishConfig(draft) {
    finish(draft);
    const pad = draft.values.get("pad_token_id");
    const length = numberOf(draft.parameter("~.context_length")) ?? 512;
    const offset = typeof pad === "number" ? offsetOf(pad) : 0;
    draft.values.set("max_position_embeddings", length + offset);
    draft.assume(
      "max_position_embeddings",
      length + offset,
      "the GGUF holds the rows from the first position on; those before it, which are never looked up, are zeros",
    );
  },
  recognises: (metadata) => stringOf(metadata.get("tokenizer.ggml.model")) === "t5",
};
