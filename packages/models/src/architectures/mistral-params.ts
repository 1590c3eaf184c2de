/**
 * Mistral's own checkpoints: consolidated.safetensors with params.json (llama.cpp, conversion/mistral.py). Rows of q and k are
 * stored in pairs, as GGUF has them.
 */
import { type Finding, UnsupportedError } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { Config, ConfigValues } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { numberField } from "../json.ts";
import { note } from "../note.ts";
import { isParams, PARAMS_CLASS } from "../params-json.ts";
import type { Architecture } from "./architecture.ts";
import { llama } from "./llama.ts";
import { same } from "./tensors.ts";

const aliases: Readonly<Record<string, string>> = {
  dim: "hidden_size",
  hidden_dim: "intermediate_size",
  max_seq_len: "max_position_embeddings",
  n_heads: "num_attention_heads",
  n_kv_heads: "num_key_value_heads",
  n_layers: "num_hidden_layers",
  norm_eps: "rms_norm_eps",
  tied_embeddings: "tie_word_embeddings",
};

/** Settings that are read, and some that say nothing about the weights or that llama.cpp does not use. */
const READ: readonly string[] = [
  ...Object.keys(aliases),
  ...Object.values(aliases),
  "activation",
  "architectures",
  "causal",
  "head_dim",
  "max_batch_size",
  "model_type",
  "rope_parameters",
  "rope_theta",
  "sliding_window",
  "vocab_size",
];

/** Any other setting, such as `yarn`, `moe` or `quantization`, changes what the model computes. */
function refuseUnread(values: ConfigValues, more: readonly string[]): void {
  // with a reference, the names of this family are also tried for configurations of other classes
  if (!isParams(values)) return;
  for (const [key, value] of values) {
    if (READ.includes(key) || more.includes(key) || value === null || value === false) continue;
    throw new UnsupportedError(`The params.json has the setting ${bounded(key, 40)}, which is not read.`, {
      path: "params.json",
      hint: "Convert the edition of the model that has config.json and model.safetensors.",
    });
  }
}

/** What is derived from a params.json whose author reads these settings, too. */
export function paramsDerive(more: readonly string[] = []): NonNullable<Architecture["derive"]> {
  return [(values) => refuseUnread(values, more), ...(llama.derive ?? [])];
}

/** params.json often says no length of the context. */
function assumedContext(files: HfFiles, config: Config): readonly Finding[] {
  const stated = ["max_seq_len", "max_position_embeddings"].some(
    (key) => numberField(files.config, key) !== undefined,
  );
  const length = config.count("max_position_embeddings");
  if (stated || length === undefined) return [];
  return [
    note("assumed", `Assumed a context length of ${length}: params.json has no max_seq_len.`, {
      path: "params.json",
      key: "max_seq_len",
    }),
  ];
}

const layer = "layers.{layer}";
const block = "blk.{layer}";

export const mistralParams: Architecture = {
  ...llama,
  classes: [PARAMS_CLASS],
  modelType: "mistral-params",
  claims: (config) => !("multiple_of" in config),
  defaults: {
    max_position_embeddings: 128000,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
  },
  aliases,
  derive: paramsDerive(),
  assumptions: assumedContext,
  tensors: [
    same("tok_embeddings.weight", "token_embd.weight"),
    same("norm.weight", "output_norm.weight"),
    same("output.weight", "output.weight"),
    same(`${layer}.attention_norm.weight`, `${block}.attn_norm.weight`),
    same(`${layer}.ffn_norm.weight`, `${block}.ffn_norm.weight`),
    ...(["q", "k", "v"] as const).map((part) =>
      same(`${layer}.attention.w${part}.weight`, `${block}.attn_${part}.weight`),
    ),
    same(`${layer}.attention.wo.weight`, `${block}.attn_output.weight`),
    same(`${layer}.feed_forward.w1.weight`, `${block}.ffn_gate.weight`),
    same(`${layer}.feed_forward.w2.weight`, `${block}.ffn_down.weight`),
    same(`${layer}.feed_forward.w3.weight`, `${block}.ffn_up.weight`),
  ],
  writesBack: false,
};
