/**
 * Meta's own checkpoints of Llama: the names and the order of rows of Mistral's (which follow them), with a params.json that leaves
 * some widths to the tensors (Meta, llama, model.py, `ModelArgs` and `FeedForward`).
 */
import { FormatError } from "@requant/core";
import type { HfFiles } from "../hf-files.ts";
import { type JsonObject, type JsonValue, numberField } from "../json.ts";
import type { Architecture } from "./architecture.ts";
import { mistralParams, paramsDerive } from "./mistral-params.ts";

/** Settings from which the width of the feed-forward layers was computed when the model was made. */
const WIDTH_SETTINGS: readonly string[] = ["multiple_of", "ffn_dim_multiplier"];

/** The length of the context that each generation was trained with; params.json does not say it. */
function contextLength(config: JsonObject): number {
  const theta = numberField(config, "rope_theta") ?? 10000;
  if (theta >= 500000) return theta >= 1000000 ? 16384 : 8192;
  return numberField(config, "norm_eps") === 1e-6 ? 2048 : 4096;
}

function rowsOf({ tensors }: HfFiles, name: string): number {
  const rows = tensors.find((tensor) => tensor.name === name)?.shape[0];
  if (rows !== undefined) return rows;
  throw new FormatError(`The checkpoint has no tensor ${name}.`, {
    tensor: name,
    hint: "Check that all files of the model are there.",
  });
}

function facts(files: HfFiles): JsonObject {
  const { config } = files;
  const values: Record<string, JsonValue> = {
    hidden_dim: numberField(config, "hidden_dim") ?? rowsOf(files, "layers.0.feed_forward.w1.weight"),
    max_seq_len: numberField(config, "max_seq_len") ?? contextLength(config),
    vocab_size: numberField(config, "vocab_size") ?? rowsOf(files, "tok_embeddings.weight"),
  };
  return values;
}

export const metaParams: Architecture = {
  ...mistralParams,
  modelType: "meta-params",
  claims: (config) => "multiple_of" in config,
  facts,
  derive: paramsDerive(WIDTH_SETTINGS),
  leftOut: [{ pattern: /^rope\.freqs$/, reason: "rotary frequencies are computed from the metadata" }],
};
