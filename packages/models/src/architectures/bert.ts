/**
 * BERT, DistilBERT, RoBERTa and XLM-RoBERTa, for embeddings and as classifiers (llama.cpp, conversion/bert.py and
 * models/bert.cpp). The pooler and heads of pre-training are not in GGUF.
 */
import type { Config, ConfigValues } from "../config.ts";
import { bool, f32, numberOf, stringOf, u32 } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { TokenizerExtra } from "../tokenizer/rules.ts";
import type { Architecture, ConfigDraft, LeftOutRule, ParameterRule, TensorRule } from "./architecture.ts";
import { fixed, textParameters } from "./parameters.ts";
import {
  classifierActivation,
  classifierPooling,
  classLabels,
  nameClassifier,
  outputLabels,
  pooling,
} from "./pooling.ts";
import { same } from "./tensors.ts";

const layer = "encoder.layer.{layer}";

/** The attention of a layer, with the norm after it. */
export const encoderAttention: readonly TensorRule[] = [
  same(`${layer}.attention.self.query.*`, "blk.{layer}.attn_q.*"),
  same(`${layer}.attention.self.key.*`, "blk.{layer}.attn_k.*"),
  same(`${layer}.attention.self.value.*`, "blk.{layer}.attn_v.*"),
  same(`${layer}.attention.output.dense.*`, "blk.{layer}.attn_output.*"),
  same(`${layer}.attention.output.LayerNorm.*`, "blk.{layer}.attn_output_norm.*"),
];

const feedForward: readonly TensorRule[] = [
  same(`${layer}.intermediate.dense.*`, "blk.{layer}.ffn_up.*"),
  same(`${layer}.output.dense.*`, "blk.{layer}.ffn_down.*"),
  same(`${layer}.output.LayerNorm.*`, "blk.{layer}.layer_output_norm.*"),
];

export const tokenEmbeddings: readonly TensorRule[] = [
  same("embeddings.word_embeddings.weight", "token_embd.weight"),
  same("embeddings.token_type_embeddings.weight", "token_types.weight"),
];

const embeddings: readonly TensorRule[] = [
  ...tokenEmbeddings,
  same("embeddings.LayerNorm.*", "token_embd_norm.*"),
];

/** A classifier of one matrix; without names of classes llama.cpp's converter takes it for the first of two. */
export const directClassifier: readonly TensorRule[] = [
  same("classifier.out_proj.*", "cls.output.*"),
  same("classifier.*", "cls.*"),
];

const twoStepClassifier: readonly TensorRule[] = [
  same("classifier.out_proj.*", "cls.output.*"),
  same("classifier.dense.*", "cls.*"),
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

/** What llama.cpp's converter writes for all classes that are derived from its BertModel. */
export const encoderParameters: readonly ParameterRule[] = [
  ...textParameters,
  fixed("~.attention.causal", bool(false)),
  pooling,
  classifierPooling,
  classifierActivation,
  outputLabels,
];

const typeCount: TokenizerExtra = ({ config }) => [
  ["tokenizer.ggml.token_type_count", u32(config.count("type_vocab_size") ?? 1)],
];

/** The count of token types stands before a WordPiece vocabulary. */
export const wordPiece: Architecture["tokenizer"] = { kinds: ["wordpiece"], before: [typeCount] };

/** The count of token types stands among the keys of a unigram vocabulary. */
export const xlmUnigram: Architecture["tokenizer"] = {
  kinds: ["xlm-sentencepiece", "unigram"],
  between: [typeCount],
};

export const notConverted: readonly LeftOutRule[] = [
  { pattern: /(?:^|\.)pooler\.dense\./, reason: "llama.cpp pools by itself" },
  { pattern: /(?:^|\.)embeddings\.position_ids$/, reason: "position numbers: computed, not a weight" },
  {
    pattern: /^(?:cls\.|lm_head\.|vocab_|decoder\.)/,
    reason: "a head of pre-training: an embedding model's GGUF does not hold it",
  },
];

const isClassifier = (config: Config): boolean =>
  config.className?.endsWith("ForSequenceClassification") === true;

/**
 * Names without the prefix that only models with a head have, and with the names that norms have since 2019. A classifier
 * of one matrix, where its classes have names, is the second of the two matrices that other families have.
 */
export function headPrefix(prefix: string, isDirect: boolean): NonNullable<Architecture["names"]> {
  const anyPrefix = /^(?:bert|roberta|distilbert|model)\./;
  const isHead = /^(?:pre_classifier|classifier|head|dense)\./;
  return {
    toRules(name, config) {
      const own = name
        .replace(anyPrefix, "")
        .replace(/\.gamma$/, ".weight")
        .replace(/\.beta$/, ".bias");
      return classLabels(config) === undefined
        ? own
        : own.replace(/^classifier\.(weight|bias)$/, "classifier.out_proj.$1");
    },
    fromRules(name, config) {
      const own = isDirect ? name.replace(/^classifier\.out_proj\./, "classifier.") : name;
      return isClassifier(config) && !isHead.test(own) ? `${prefix}${own}` : own;
    },
  };
}

/** The config values of all encoders that follow from tensors and the tokenizer. */
export function finishEncoder(draft: ConfigDraft): void {
  const { values } = draft;
  const types = numberOf(draft.metadata.get("tokenizer.ggml.token_type_count"));
  if (types !== undefined) values.set("type_vocab_size", types);
  values.set("vocab_size", draft.shapeOf("token_embd.weight")?.[0] ?? null);
  values.delete("tie_word_embeddings");
}

/** The model that a tokenizer's kind belongs to: these families have one name in GGUF. */
function hasTokenizer(model: string): NonNullable<Architecture["recognises"]> {
  return (metadata) => stringOf(metadata.get("tokenizer.ggml.model")) === model;
}

export const bert: Architecture = {
  name: "bert",
  memory: { keepsNothing: true },
  classes: ["BertModel", "BertForMaskedLM", "BertForSequenceClassification"],
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
  parameters: encoderParameters,
  names: headPrefix("bert.", true),
  tensors: [
    ...embeddings,
    same(positions, "position_embd.weight"),
    ...encoderAttention,
    ...feedForward,
    ...directClassifier,
  ],
  leftOut: notConverted,
  tokenizer: wordPiece,
  finishConfig(draft) {
    finishEncoder(draft);
    nameClassifier(draft, "BertForSequenceClassification");
  },
  recognises: hasTokenizer("bert"),
};

const distilLayer = "transformer.layer.{layer}";

export const distilBert: Architecture = {
  ...bert,
  classes: ["DistilBertModel", "DistilBertForMaskedLM", "DistilBertForSequenceClassification"],
  modelType: "distilbert",
  defaults: {
    activation: "gelu",
    dim: 768,
    hidden_dim: 3072,
    max_position_embeddings: 512,
    n_heads: 12,
    n_layers: 6,
    pad_token_id: 0,
    sinusoidal_pos_embds: false,
    vocab_size: 30522,
  },
  // the class has no setting for it
  parameters: [fixed("~.attention.layer_norm_epsilon", f32(1e-12)), ...encoderParameters],
  names: headPrefix("distilbert.", true),
  tensors: [
    same("embeddings.word_embeddings.weight", "token_embd.weight"),
    same("embeddings.LayerNorm.*", "token_embd_norm.*"),
    same(positions, "position_embd.weight"),
    same(`${distilLayer}.attention.q_lin.*`, "blk.{layer}.attn_q.*"),
    same(`${distilLayer}.attention.k_lin.*`, "blk.{layer}.attn_k.*"),
    same(`${distilLayer}.attention.v_lin.*`, "blk.{layer}.attn_v.*"),
    same(`${distilLayer}.attention.out_lin.*`, "blk.{layer}.attn_output.*"),
    same(`${distilLayer}.sa_layer_norm.*`, "blk.{layer}.attn_output_norm.*"),
    same(`${distilLayer}.ffn.lin1.*`, "blk.{layer}.ffn_up.*"),
    same(`${distilLayer}.ffn.lin2.*`, "blk.{layer}.ffn_down.*"),
    same(`${distilLayer}.output_layer_norm.*`, "blk.{layer}.layer_output_norm.*"),
    same("classifier.out_proj.*", "cls.output.*"),
    same("pre_classifier.*", "cls.*"),
  ],
  finishConfig(draft) {
    finishEncoder(draft);
    draft.values.delete("type_vocab_size");
    nameClassifier(draft, "DistilBertForSequenceClassification");
  },
  // no tokens of a second text: the class has no embeddings for types
  recognises: (metadata, names) => hasTokenizer("bert")(metadata, names) && !names.has("token_types.weight"),
};

function shortenPositions(values: ConfigValues): void {
  const length = values.get("max_position_embeddings");
  const pad = values.get("pad_token_id");
  if (typeof length === "number" && typeof pad === "number")
    values.set("max_position_embeddings", length - offsetOf(pad));
}

/** Adds the rows before the first position, which a GGUF does not hold. */
export function lengthenPositions(draft: ConfigDraft): void {
  const pad = draft.values.get("pad_token_id");
  const length = numberOf(draft.parameter("~.context_length")) ?? 512;
  const offset = typeof pad === "number" ? offsetOf(pad) : 0;
  draft.values.set("max_position_embeddings", length + offset);
  draft.assume(
    "max_position_embeddings",
    length + offset,
    "the GGUF holds the rows from the first position on; those before it, which are never looked up, are zeros",
  );
}

export const xlmRoberta: Architecture = {
  ...bert,
  classes: ["XLMRobertaModel", "XLMRobertaForSequenceClassification"],
  modelType: "xlm-roberta",
  defaults: {
    ...bert.defaults,
    bos_token_id: 0,
    eos_token_id: 2,
    pad_token_id: 1,
  },
  derive: [shortenPositions],
  names: headPrefix("roberta.", false),
  tensors: [...embeddings, offsetPositions, ...encoderAttention, ...feedForward, ...twoStepClassifier],
  tokenizer: xlmUnigram,
  finishConfig(draft) {
    finishEncoder(draft);
    lengthenPositions(draft);
    nameClassifier(draft, "XLMRobertaForSequenceClassification");
  },
  recognises: hasTokenizer("t5"),
};

export const roberta: Architecture = {
  ...xlmRoberta,
  classes: ["RobertaModel", "RobertaForSequenceClassification"],
  modelType: "roberta",
  defaults: { ...xlmRoberta.defaults, vocab_size: 50265 },
  tokenizer: { kinds: byteKinds, after: [typeCount] },
  finishConfig(draft) {
    finishEncoder(draft);
    lengthenPositions(draft);
    nameClassifier(draft, "RobertaForSequenceClassification");
  },
  recognises: hasTokenizer("gpt2"),
};
