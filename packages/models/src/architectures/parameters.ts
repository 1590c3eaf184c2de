/** Hyperparameters ↔ metadata keys: the generic list and its building blocks (llama.cpp, conversion/base.py, gguf-py constants). */
import type { MetadataValue } from "@requant/core";
import type { Config, ConfigValues } from "../config.ts";
import { field, type JsonValue, numberField } from "../json.ts";
import { bool, boolArray, f32, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import { ropeRules, setRope } from "../rope.ts";
import type { ConfigDraft, ParameterRule } from "./architecture.ts";

/** The spellings of nearly all config classes, for families whose class has no defaults. */
const usualSpellings: ReadonlySet<string> = new Set([
  "hidden_size",
  "intermediate_size",
  "layer_norm_eps",
  "max_position_embeddings",
  "num_attention_heads",
  "num_experts_per_tok",
  "num_hidden_layers",
  "num_key_value_heads",
  "num_local_experts",
  "rms_norm_eps",
]);

/** The spelling that the family's own config uses, else the usual one. */
export function ownSpelling(
  draft: Pick<ConfigDraft, "defaults" | "spellings">,
  names: readonly string[],
): string {
  return (
    names.find((name) => field(draft.defaults, name) !== undefined) ??
    names.find((name) => draft.spellings.includes(name)) ??
    names.find((name) => usualSpellings.has(name)) ??
    names[0] ??
    ""
  );
}

/** A u32 from the first of the config keys that is present. */
export function count(key: string, names: readonly string[]): ParameterRule {
  return {
    key,
    toGguf(config) {
      const value = config.count(...names);
      return value === undefined ? undefined : u32(value);
    },
    toHf(value, draft) {
      const number = numberOf(value);
      if (number !== undefined) draft.values.set(ownSpelling(draft, names), number);
    },
  };
}

/** An f32 from the first of the config keys that is present. */
export function real(key: string, names: readonly string[]): ParameterRule {
  return {
    key,
    realNames: names,
    toGguf(config) {
      const value = config.number(...names);
      return value === undefined ? undefined : f32(value);
    },
    toHf(value, draft) {
      const number = numberOf(value);
      if (number !== undefined) draft.values.set(ownSpelling(draft, names), shortestFloat(number));
    },
  };
}

/** A value computed from the config; `toHf` only where the config can be restored from the key. */
export function derived(
  key: string,
  toGguf: ParameterRule["toGguf"],
  toHf?: (value: MetadataValue, draft: ConfigDraft) => void,
): ParameterRule {
  return toHf ? { key, toGguf, toHf } : { key, toGguf };
}

/** The same value in every file of the family. */
export function fixed(key: string, value: MetadataValue): ParameterRule {
  return { key, toGguf: () => value };
}

const fileType: ParameterRule = { key: "general.file_type", toGguf: (_, context) => u32(context.fileType) };

/** The numbers of the functions that make weights of the router's scores (llama.cpp, src/llama-hparams.h). */
export const gatingFunctions = { softmax: 1, sigmoid: 2, sqrtsoftplus: 4 } as const;

const gatingKeys = [
  "score_function",
  "scoring_func",
  "score_func",
  "moe_router_activation",
  "moe_router_activation_func",
  "expert_selection_fn",
];

/** How the router's scores become weights; `name` is the family's own key. */
export function gatingFunction(name: string): ParameterRule {
  return derived(
    "~.expert_gating_func",
    (config) => {
      const given = config.find(...gatingKeys);
      const number = typeof given === "string" ? field(gatingFunctions, given) : undefined;
      return typeof number === "number" ? u32(number) : undefined;
    },
    (value, draft) => {
      const given = Object.entries(gatingFunctions).find(([, number]) => number === numberOf(value))?.[0];
      if (given !== undefined) draft.values.set(name, given);
    },
  );
}

type GenericName =
  | "blockCount"
  | "contextLength"
  | "embeddingLength"
  | "feedForwardLength"
  | "headCount"
  | "headCountKv"
  | "causal"
  | "rmsEpsilon"
  | "normEpsilon"
  | "expertCount"
  | "expertUsedCount"
  | "expertGroupCount"
  | "expertGroupUsedCount"
  | "gatingFunction"
  | "keyLength"
  | "valueLength"
  | "fileType"
  | "vocabularySize"
  | "ropeBase"
  | "slidingWindow"
  | "expertFeedForwardLength";

/** Each generic rule by its key's last part, for families that write their own list in another order. */
export const generic: Readonly<Record<GenericName, ParameterRule>> = {
  blockCount: count("~.block_count", ["n_layers", "num_hidden_layers", "n_layer", "num_layers"]),
  contextLength: count("~.context_length", [
    "max_position_embeddings",
    "n_ctx",
    "n_positions",
    "max_length",
    "max_sequence_length",
    "model_max_length",
  ]),
  embeddingLength: count("~.embedding_length", ["hidden_size", "n_embd", "dim"]),
  feedForwardLength: count("~.feed_forward_length", [
    "prefix_dense_intermediate_size",
    "dense_intermediate_size",
    "intermediate_size",
    "n_inner",
    "hidden_dim",
  ]),
  headCount: count("~.attention.head_count", ["num_attention_heads", "n_head", "n_heads"]),
  headCountKv: count("~.attention.head_count_kv", ["num_key_value_heads", "n_kv_heads"]),
  causal: derived("~.attention.causal", (config) =>
    config.flag("is_causal") === false ? bool(false) : undefined,
  ),
  rmsEpsilon: real("~.attention.layer_norm_rms_epsilon", ["rms_norm_eps", "norm_eps"]),
  normEpsilon: real("~.attention.layer_norm_epsilon", [
    "layer_norm_eps",
    "layer_norm_epsilon",
    "norm_epsilon",
  ]),
  expertCount: count("~.expert_count", ["num_local_experts", "num_experts", "n_routed_experts"]),
  expertUsedCount: count("~.expert_used_count", [
    "num_experts_per_tok",
    "num_experts_per_token",
    "top_k_experts",
  ]),
  expertGroupCount: count("~.expert_group_count", ["n_group"]),
  expertGroupUsedCount: count("~.expert_group_used_count", ["topk_group"]),
  gatingFunction: gatingFunction("scoring_func"),
  keyLength: count("~.attention.key_length", ["head_dim"]),
  valueLength: derived("~.attention.value_length", (config) => {
    const length = config.count("head_dim");
    return length === undefined ? undefined : u32(length);
  }),
  fileType,
  vocabularySize: count("~.vocab_size", ["vocab_size"]),
  ropeBase: ropeRules.base,
  slidingWindow: count("~.attention.sliding_window", ["sliding_window"]),
  expertFeedForwardLength: count("~.expert_feed_forward_length", ["moe_intermediate_size"]),
};

/** The keys that llama.cpp's converter writes for a text model without keys of its own, in the converter's order. */
export const textParameters: readonly ParameterRule[] = [
  generic.blockCount,
  generic.contextLength,
  generic.embeddingLength,
  generic.feedForwardLength,
  generic.headCount,
  generic.headCountKv,
  generic.causal,
  ...ropeRules.scaling,
  ropeRules.sections,
  ropeRules.base,
  ropeRules.windowedBase,
  generic.rmsEpsilon,
  generic.normEpsilon,
  generic.expertCount,
  generic.expertUsedCount,
  generic.expertGroupCount,
  generic.expertGroupUsedCount,
  generic.gatingFunction,
  generic.keyLength,
  generic.valueLength,
  generic.fileType,
];

/** `rope.dimension_count` of a family that rotates whole heads. */
export const wholeHeadRope: ParameterRule = derived("~.rope.dimension_count", (config) =>
  u32(config.headLength),
);

/** `rope.dimension_count` of a family that rotates a part of each head. */
export function partialRope(factorOf: (config: Config) => number): ParameterRule {
  return derived("~.rope.dimension_count", (config) => u32(factorOf(config)));
}

/** The same by `partial_rotary_factor` of the heads' length, half where the config does not say it. */
export const partOfHeadRope: ParameterRule = derived(
  "~.rope.dimension_count",
  (config) =>
    u32(Math.trunc(config.headLength * (numberField(config.rope(), "partial_rotary_factor") ?? 0.5))),
  (value, draft) => {
    const dimensions = numberOf(value);
    const head = numberOf(draft.parameter("~.attention.key_length"));
    if (dimensions !== undefined && head !== undefined)
      setRope(draft, "partial_rotary_factor", dimensions / head);
  },
);

/** Which layers have a sliding window, as bools, from layer_types. */
export function slidingPattern(fallback: (layer: number, config: Config) => boolean): ParameterRule {
  return derived(
    "~.attention.sliding_window_pattern",
    (config) => {
      const types = config.get("layer_types");
      const layers = config.need("num_hidden_layers");
      const sliding = Array.isArray(types)
        ? types.map((type) => type === "sliding_attention")
        : Array.from({ length: layers }, (_, layer) => fallback(layer, config));
      return boolArray(sliding);
    },
    (value, draft) => {
      if (value.type === "array" && value.elementType === "bool") {
        const types = value.value.map((sliding) => (sliding ? "sliding_attention" : "full_attention"));
        draft.values.set("layer_types", types);
      }
    },
  );
}

/** attention_bias, which the tensors say. */
export function setAttentionBias({ values, ggufNames }: ConfigDraft): void {
  values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
}

/** head_dim = hidden_size / heads when the config has no head_dim or null. */
export function deriveHeadLength(values: ConfigValues): void {
  const hidden = values.get("hidden_size");
  const heads = values.get("num_attention_heads");
  if (typeof values.get("head_dim") === "number" || typeof hidden !== "number" || typeof heads !== "number")
    return;
  values.set("head_dim", Math.floor(hidden / heads));
}

/** num_key_value_heads = heads when the config has no num_key_value_heads or null. */
export function deriveKeyValueHeads(values: ConfigValues): void {
  if (typeof values.get("num_key_value_heads") === "number") return;
  const heads = values.get("num_attention_heads");
  if (typeof heads === "number") values.set("num_key_value_heads", heads);
}

/** layer_types from a rule per layer when the config has no layer_types or null. */
export function deriveLayerTypes(
  typeOf: (layer: number, values: ConfigValues) => string,
): (values: ConfigValues) => void {
  return (values) => {
    const layers = values.get("num_hidden_layers");
    if (Array.isArray(values.get("layer_types")) || typeof layers !== "number") return;
    values.set(
      "layer_types",
      Array.from({ length: layers }, (_, layer): JsonValue => typeOf(layer, values)),
    );
  };
}
