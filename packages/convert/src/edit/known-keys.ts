/**
 * Keys whose types are known, so that they need no TYPE where they are new, and so that a wrong type is named. llama.cpp
 * reads a key of a wrong type as an error, also where it can do without the key (llama.cpp, src/llama-model-loader.cpp;
 * key names: llama.cpp, src/llama-arch.cpp and gguf-py/gguf/constants.py).
 */
import type { Metadata, MetadataValue } from "@requant/core";
import { type MetadataType, metadataTypeOf, typeWordOf } from "./value-types.ts";

/** Types by key, the usual one first. */
const fileKeys: Readonly<Record<string, string>> = {
  "general.architecture": "string",
  "general.type": "string",
  "general.name": "string",
  "general.author": "string",
  "general.version": "string",
  "general.organization": "string",
  "general.finetune": "string",
  "general.basename": "string",
  "general.description": "string",
  "general.quantized_by": "string",
  "general.size_label": "string",
  "general.license": "string",
  "general.license.name": "string",
  "general.license.link": "string",
  "general.url": "string",
  "general.doi": "string",
  "general.uuid": "string",
  "general.repo_url": "string",
  "general.source.url": "string",
  "general.source.doi": "string",
  "general.source.uuid": "string",
  "general.source.repo_url": "string",
  "general.tags": "string[]",
  "general.languages": "string[]",
  "general.datasets": "string[]",
  "general.file_type": "u32",
  "general.quantization_version": "u32",
  "general.alignment": "u32",
  "general.base_model.count": "u32",
  "split.no": "u16",
  "split.count": "u16",
  "split.tensors.count": "i32",
  "tokenizer.ggml.model": "string",
  "tokenizer.ggml.pre": "string",
  "tokenizer.ggml.tokens": "string[]",
  "tokenizer.ggml.token_type": "i32[] u32[]",
  "tokenizer.ggml.scores": "f32[]",
  "tokenizer.ggml.merges": "string[]",
  "tokenizer.ggml.token_type_count": "u32",
  "tokenizer.ggml.add_bos_token": "bool",
  "tokenizer.ggml.add_eos_token": "bool",
  "tokenizer.ggml.add_sep_token": "bool",
  "tokenizer.ggml.add_space_prefix": "bool",
  "tokenizer.ggml.remove_extra_whitespaces": "bool",
  "tokenizer.ggml.precompiled_charsmap": "u8[] i8[]",
  "tokenizer.chat_template": "string",
  "tokenizer.chat_templates": "string[]",
  "tokenizer.huggingface.json": "string",
};

/** Types of the keys that begin with the architecture: `llama.block_count`. */
const modelKeys: Readonly<Record<string, string>> = {
  context_length: "u32",
  embedding_length: "u32",
  block_count: "u32",
  vocab_size: "u32",
  feed_forward_length: "u32 u32[] i32[]",
  leading_dense_block_count: "u32",
  use_parallel_residual: "bool",
  tensor_data_layout: "string",
  expert_count: "u32",
  expert_used_count: "u32",
  expert_shared_count: "u32",
  expert_feed_forward_length: "u32",
  expert_shared_feed_forward_length: "u32",
  expert_weights_scale: "f32",
  expert_weights_norm: "bool",
  expert_gating_func: "u32",
  pooling_type: "u32",
  logit_scale: "f32",
  residual_scale: "f32",
  embedding_scale: "f32",
  attn_logit_softcapping: "f32",
  final_logit_softcapping: "f32",
  "attention.head_count": "u32 u32[] i32[]",
  "attention.head_count_kv": "u32 u32[] i32[]",
  "attention.key_length": "u32",
  "attention.value_length": "u32",
  "attention.layer_norm_epsilon": "f32",
  "attention.layer_norm_rms_epsilon": "f32",
  "attention.causal": "bool",
  "attention.sliding_window": "u32",
  "attention.scale": "f32",
  "attention.clamp_kqv": "f32",
  "attention.max_alibi_bias": "f32",
  "attention.q_lora_rank": "u32",
  "attention.kv_lora_rank": "u32",
  "rope.dimension_count": "u32",
  "rope.dimension_sections": "i32[] u32[]",
  "rope.freq_base": "f32",
  "rope.scaling.type": "string",
  "rope.scaling.factor": "f32",
  "rope.scaling.attn_factor": "f32",
  "rope.scaling.original_context_length": "u32",
  "rope.scaling.finetuned": "bool",
  "rope.scaling.yarn_log_multiplier": "f32",
  "ssm.conv_kernel": "u32",
  "ssm.inner_size": "u32",
  "ssm.state_size": "u32",
  "ssm.time_step_rank": "u32",
  "ssm.group_count": "u32",
};

/** Keys of one kind with a word of their own: `tokenizer.ggml.eot_token_id`, `tokenizer.chat_template.tool_use`. */
const families: readonly (readonly [start: string, end: string, types: string])[] = [
  ["tokenizer.ggml.", "_token_id", "u32"],
  ["tokenizer.chat_template.", "", "string"],
];

/** Readers refuse a model, or a part of one, that has lost one of these. `{}` stands for the architecture. */
const requiredKeys: readonly string[] = [
  "general.architecture",
  "{}.context_length",
  "{}.embedding_length",
  "{}.block_count",
  "{}.attention.head_count",
  "{}.attention.layer_norm_epsilon",
  "{}.attention.layer_norm_rms_epsilon",
  "tokenizer.ggml.model",
  "tokenizer.ggml.tokens",
  "split.no",
  "split.count",
  "split.tensors.count",
];

function typesOf(key: string): readonly string[] {
  const words = wordsOf(key);
  return words === undefined ? [] : words.split(" ");
}

function wordsOf(key: string): string | undefined {
  if (Object.hasOwn(fileKeys, key)) return fileKeys[key];
  const family = families.find(([start, end]) => key.startsWith(start) && key.endsWith(end));
  if (family !== undefined) return family[2];
  const cut = key.indexOf(".");
  const [group, rest] = [key.slice(0, cut), key.slice(cut + 1)];
  const isModelKey = cut > 0 && !["general", "tokenizer", "split", "adapter", "quantize"].includes(group);
  return isModelKey && Object.hasOwn(modelKeys, rest) ? modelKeys[rest] : undefined;
}

/** The type that a well-known key has; undefined for any other key. */
export function knownTypeOf(key: string): MetadataType | undefined {
  const [usual] = typesOf(key);
  return usual === undefined ? undefined : metadataTypeOf(usual);
}

/** The types that readers expect of a key, where the value has another one. */
export function expectedTypes(key: string, value: MetadataValue): readonly string[] {
  const types = typesOf(key);
  return types.includes(typeWordOf(value)) ? [] : types;
}

function architectureOf(metadata: Metadata): string | undefined {
  const value = metadata.get("general.architecture");
  return value?.type === "string" ? value.value : undefined;
}

/** Required keys that a file had, and that it lacks after a change: of another architecture, the same ones under its name. */
export function lostKeys(before: Metadata, after: Metadata): string[] {
  const [old, current = old] = [architectureOf(before), architectureOf(after)];
  // byte-pair encoding cannot do without them
  const merges = after.get("tokenizer.ggml.model")?.value === "gpt2" ? ["tokenizer.ggml.merges"] : [];
  // one file alone does without the keys of a split
  const isSplit = Number(before.get("split.count")?.value ?? 0) > 1;
  const required = requiredKeys.filter((key) => isSplit || !key.startsWith("split."));
  return [...required, ...merges].flatMap((pattern) => {
    const [had, key] = [old, current].map((architecture) => pattern.replace("{}", architecture ?? "{}"));
    return had !== undefined && key !== undefined && before.has(had) && !after.has(key) ? [key] : [];
  });
}
