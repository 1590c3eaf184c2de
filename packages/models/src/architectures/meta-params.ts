/**
 * Meta's own checkpoints of Llama: the names and the order of rows of Mistral's (which follow them), with a params.json that leaves
 * some widths to the tensors (Meta, llama, model.py, `ModelArgs` and `FeedForward`).
 */
import { type Finding, FormatError } from "@requant/core";
import type { Config } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import { flagField, type JsonObject, type JsonValue, numberField } from "../json.ts";
import { note } from "../note.ts";
import type { Architecture } from "./architecture.ts";
import { mistralParams, paramsDerive } from "./mistral-params.ts";

/** Settings from which the width of the feed-forward layers was computed when the model was made. */
const WIDTH_SETTINGS: readonly string[] = ["multiple_of", "ffn_dim_multiplier"];

/** Settings of the scaling of rotary positions, and the setting that they are made into. */
const SCALING_SETTINGS: readonly string[] = [
  "use_scaled_rope",
  "rope_scaling_factor",
  "rope_high_freq_factor",
  "rope_scaling",
];

const isScaled = (config: JsonObject): boolean => flagField(config, "use_scaled_rope") === true;

/**
 * How Llama 3.1 and later scale rotary positions (Meta, llama-models, models/llama3/model.py, `apply_scaling`). Most files only say
 * that they do: the factor is 8, but 32 for the text models of Llama 3.2, which are narrower than all others
 * (meta-llama/Llama-3.2-1B and 3B, config.json; ExecuTorch, examples/models/llama/model.py).
 */
function scaling(config: JsonObject): JsonObject {
  const isNarrow = (numberField(config, "dim") ?? 0) < NARROWEST_3_1;
  return {
    rope_type: "llama3",
    factor: numberField(config, "rope_scaling_factor") ?? (isNarrow ? 32 : 8),
    low_freq_factor: 1,
    high_freq_factor: numberField(config, "rope_high_freq_factor") ?? 4,
    original_max_position_embeddings: 8192,
  };
}

/** `dim` of Llama 3.1 8B. */
const NARROWEST_3_1 = 4096;

/** The length of the context that each generation was trained with; params.json does not say it. */
function contextLength(config: JsonObject): number {
  if (isScaled(config)) return 131072;
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
  return isScaled(config) ? { ...values, rope_scaling: scaling(config) } : values;
}

/** The factor of the scaling decides every position beyond the first 8192. */
function assumed(files: HfFiles, config: Config): readonly Finding[] {
  const context = mistralParams.assumptions?.(files, config) ?? [];
  if (!isScaled(files.config) || numberField(files.config, "rope_scaling_factor") !== undefined)
    return context;
  const factor = numberField(config.rope(), "factor");
  return [
    ...context,
    note("assumed", `Assumed a rope scaling factor of ${factor}: params.json has no rope_scaling_factor.`, {
      path: "params.json",
      key: "rope_scaling_factor",
    }),
  ];
}

export const metaParams: Architecture = {
  ...mistralParams,
  modelType: "meta-params",
  claims: (config) => "multiple_of" in config,
  facts,
  derive: paramsDerive([...WIDTH_SETTINGS, ...SCALING_SETTINGS]),
  assumptions: assumed,
  leftOut: [{ pattern: /^rope\.freqs$/, reason: "rotary frequencies are computed from the metadata" }],
};
