/**
 * Mistral's own checkpoints: consolidated.safetensors with params.json (llama.cpp, conversion/mistral.py). Rows of q and k are
 * stored in pairs, as GGUF has them.
 */
import { type Finding, FormatError, UnsupportedError } from "@requant/core";
import { bounded } from "@requant/core/text";
import type { Config, ConfigValues } from "../config.ts";
import type { HfFiles } from "../hf-files.ts";
import {
  flagField,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  numberField,
  objectField,
} from "../json.ts";
import { f32, string, u32 } from "../metadata-values.ts";
import { note } from "../note.ts";
import { isParams, PARAMS_CLASS } from "../params-json.ts";
import type { Architecture, ParameterRule, TensorRule } from "./architecture.ts";
import { deepseek3, latentKeyValue, latentParameters } from "./deepseek.ts";
import { llama } from "./llama.ts";
import { same, stackedExperts } from "./tensors.ts";

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
  // a text model leaves the tensors of this encoder out, and names them
  "vision_encoder",
  "vocab_size",
  "yarn",
];

/** Any other setting, such as `quantization`, changes what the model computes. */
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

/** The matrices of a feed-forward layer, in the order in which llama.cpp's converter writes experts. */
const WIDTHS = [
  ["w2", "down"],
  ["w1", "gate"],
  ["w3", "up"],
] as const;

/** What stands around the attention, and the feed-forward of layers without experts. */
const ends: readonly TensorRule[] = [
  same("tok_embeddings.weight", "token_embd.weight"),
  same("norm.weight", "output_norm.weight"),
  same("output.weight", "output.weight"),
  same(`${layer}.attention_norm.weight`, `${block}.attn_norm.weight`),
  same(`${layer}.ffn_norm.weight`, `${block}.ffn_norm.weight`),
  same(`${layer}.attention.wo.weight`, `${block}.attn_output.weight`),
  ...WIDTHS.map(([theirs, ours]) =>
    same(`${layer}.feed_forward.${theirs}.weight`, `${block}.ffn_${ours}.weight`),
  ),
];

const isScaled = (config: JsonObject): boolean => isJsonObject(config["llama_4_scaling"]);

/** Mixtral's older files have experts, too, but no latent attention; they are refused. */
const isLatent = (config: JsonObject): boolean =>
  isJsonObject(config["moe"]) && typeof config["kv_lora_rank"] === "number";

function numberOfYarn(yarn: JsonObject, name: string): number {
  const value = numberField(yarn, name);
  if (value !== undefined) return value;
  throw new FormatError(`The params.json has the setting yarn without the number ${name}.`, {
    path: "params.json",
    hint: "Take params.json from the original model.",
  });
}

/** A key of models whose positions are scaled by yarn. */
function yarnRule(key: string, value: (yarn: JsonObject) => ReturnType<typeof u32>): ParameterRule {
  return {
    key,
    toGguf(config) {
      const yarn = config.get("yarn");
      return isJsonObject(yarn) ? value(yarn) : undefined;
    },
  };
}

/** What llama.cpp's converter makes of `yarn` and `llama_4_scaling`. */
function yarnParameters(multiplier: (yarn: JsonObject) => number): readonly ParameterRule[] {
  return [
    yarnRule("~.rope.scaling.type", () => string("yarn")),
    ...[
      ["factor", "factor"],
      ["yarn_beta_fast", "beta"],
      ["yarn_beta_slow", "alpha"],
    ].map(([key, name = ""]) => yarnRule(`~.rope.scaling.${key}`, (yarn) => f32(numberOfYarn(yarn, name)))),
    yarnRule("~.rope.scaling.yarn_log_multiplier", (yarn) => f32(multiplier(yarn))),
    yarnRule("~.rope.scaling.original_context_length", (yarn) =>
      u32(numberOfYarn(yarn, "original_max_position_embeddings")),
    ),
    {
      key: "~.attention.temperature_scale",
      toGguf(config) {
        const scaling = config.get("llama_4_scaling");
        const beta = isJsonObject(scaling) ? numberField(scaling, "beta") : undefined;
        return beta === undefined ? undefined : f32(beta);
      },
    },
  ];
}

export const mistralParams: Architecture = {
  ...llama,
  classes: [PARAMS_CLASS],
  modelType: "mistral-params",
  claims: (config) => !("multiple_of" in config) && !isScaled(config) && !isLatent(config),
  defaults: {
    max_position_embeddings: 128000,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
  },
  aliases,
  derive: paramsDerive(),
  assumptions: assumedContext,
  parameters: [
    ...llama.parameters,
    ...yarnParameters((yarn) => (flagField(yarn, "apply_scale") === true ? 0 : 1)),
  ],
  tensors: [
    ...ends,
    ...(["q", "k", "v"] as const).map((part) =>
      same(`${layer}.attention.w${part}.weight`, `${block}.attn_${part}.weight`),
    ),
  ],
  writesBack: false,
};

/** Ministral 3, whose queries are scaled by their position; without this setting llama.cpp's converter writes a Llama. */
export const ministralParams: Architecture = {
  ...mistralParams,
  name: "mistral3",
  modelType: "ministral-params",
  claims: (config) => isScaled(config) && !isLatent(config),
  derive: paramsDerive(["llama_4_scaling"]),
  decoder: undefined,
};

/** Settings of latent attention and of experts that params.json has at its root. */
const LATENT_SETTINGS: readonly string[] = [
  "kv_lora_rank",
  "llama_4_scaling",
  "moe",
  "q_lora_rank",
  "qk_nope_head_dim",
  "qk_rope_head_dim",
  "v_head_dim",
];

/** The names that DeepSeek's class has for settings inside of `moe`. */
const EXPERT_SETTINGS: Readonly<Record<string, string>> = {
  expert_hidden_dim: "moe_intermediate_size",
  first_k_dense_replace: "first_k_dense_replace",
  num_expert_groups: "n_group",
  num_expert_groups_per_tok: "topk_group",
  num_experts: "n_routed_experts",
  num_experts_per_tok: "num_experts_per_tok",
  num_shared_experts: "n_shared_experts",
  routed_scale: "routed_scaling_factor",
};

/** What DeepSeek's rules ask for and params.json does not say. */
const EXPERT_FACTS: JsonObject = { norm_topk_prob: true, scoring_func: "softmax" };

function expertFacts({ config }: HfFiles): JsonObject {
  const moe = objectField(config, "moe") ?? {};
  const entries = Object.entries(EXPERT_SETTINGS).flatMap(([theirs, ours]): [string, JsonValue][] => {
    const value = moe[theirs];
    return value === undefined ? [] : [[ours, value]];
  });
  return { ...EXPERT_FACTS, ...Object.fromEntries(entries) };
}

/** Mistral Large 3: DeepSeek's latent attention and experts (llama.cpp, conversion/mistral.py, `MistralMoeModel`). */
export const mistralLatentParams: Architecture = {
  ...mistralParams,
  name: "deepseek2",
  memory: deepseek3.memory ?? {},
  modelType: "mistral-latent-params",
  claims: isLatent,
  facts: expertFacts,
  derive: paramsDerive([
    ...LATENT_SETTINGS,
    ...Object.values(EXPERT_SETTINGS),
    ...Object.keys(EXPERT_FACTS),
    "head_dim",
  ]),
  extraTensors: [],
  parameters: [
    ...latentParameters,
    ...yarnParameters(() => 0.1),
    yarnRule("~.attention.temperature_length", (yarn) =>
      u32(numberOfYarn(yarn, "original_max_position_embeddings")),
    ),
  ],
  tensors: [
    ...ends,
    same(`${layer}.attention.wq_a.weight`, `${block}.attn_q_a.weight`),
    same(`${layer}.attention.wq_b.weight`, `${block}.attn_q_b.weight`),
    same(`${layer}.attention.q_a_norm.weight`, `${block}.attn_q_a_norm.weight`),
    same(`${layer}.attention.wkv_a_with_mqa.weight`, `${block}.attn_kv_a_mqa.weight`),
    same(`${layer}.attention.kv_a_norm.weight`, `${block}.attn_kv_a_norm.weight`),
    { ...latentKeyValue, hf: [`${layer}.attention.wkv_b.weight`] },
    same(`${layer}.gate.weight`, `${block}.ffn_gate_inp.weight`),
    stackedExperts(
      WIDTHS.map(([theirs, ours]) => [
        `${layer}.experts.{expert}.${theirs}.weight`,
        `${block}.ffn_${ours}_exps.weight`,
      ]),
    ),
    ...WIDTHS.map(([theirs, ours]) =>
      same(`${layer}.shared_experts.${theirs}.weight`, `${block}.ffn_${ours}_shexp.weight`),
    ),
  ],
  decoder: undefined,
};
