/** What a report says of a model: counts, shapes, types and settings of a closed list; nothing that its author wrote. */
import type { Model, ModelTensor } from "@requant/convert";
import type { Metadata, MetadataValue } from "@requant/core";
import { fileKind, HIDDEN, harmlessValue, nameOf, patternOf } from "./harmless.ts";
import { isKnownWord, settingValue } from "./known-words.ts";

/** Rows of a table; a hostile file could have millions of different names. */
const MOST_ROWS = 400;
const MOST_SHAPES = 4;
const DEEPEST = 6;

/** Keys of GGUF whose values are settings; `~.` stands for the architecture, under which numbers are settings. */
const GGUF_VALUES: readonly string[] = [
  "general.architecture",
  "general.type",
  "general.file_type",
  "general.quantization_version",
  "general.alignment",
  "split.count",
  "split.no",
  "split.tensors.count",
  "quantize.imatrix.entries_count",
  "quantize.imatrix.chunks_count",
  "tokenizer.ggml.model",
  "tokenizer.ggml.pre",
];

/** Keys of config.json, at any depth, whose values are settings. */
const CONFIG_VALUES: ReadonlySet<string> = new Set(
  `architectures model_type torch_dtype dtype transformers_version tie_word_embeddings hidden_size intermediate_size
  num_hidden_layers n_layer num_attention_heads num_key_value_heads head_dim vocab_size max_position_embeddings
  sliding_window rope_theta rope_scaling rope_type factor hidden_act rms_norm_eps layer_norm_eps attention_bias mlp_bias
  num_local_experts num_experts n_routed_experts n_shared_experts num_experts_per_tok moe_intermediate_size
  first_k_dense_replace q_lora_rank kv_lora_rank qk_rope_head_dim qk_nope_head_dim v_head_dim
  quant_method quant_type quantization_config compression_config bits w_bit wbits group_size q_group_size weight_block_size
  block_size desc_act act_order sym symmetric zero_point version checkpoint_format format pack_dtype pack_method backend
  true_sequential static_groups lm_head load_in_4bit load_in_8bit bnb_4bit_quant_type bnb_4bit_use_double_quant
  bnb_4bit_compute_dtype quantization_status num_bits strategy type actorder dynamic weights input_activations
  output_activations config_groups observer kv_cache_scheme activation_scheme fmt mode head_bits sparsity_config
  quantization`.split(/\s+/),
);

interface TensorRow {
  readonly name: string;
  readonly encoding: unknown;
  readonly count: number;
  readonly shapes: readonly string[];
}

interface MetadataRow {
  readonly key: string;
  readonly type: string;
  readonly length?: number;
  readonly value?: unknown;
}

/** A list that says how much of it is left out. */
interface Rows<T> {
  readonly rows: readonly T[];
  readonly leftOut: number;
}

/** Facts of an open model. */
export interface HeaderFacts {
  readonly format: string;
  readonly variant: string;
  readonly files: readonly { readonly name: string; readonly byteLength: number }[];
  readonly tensorCount: number;
  readonly tensors: Rows<TensorRow>;
  readonly metadata: Rows<MetadataRow>;
}

export function headerFacts(model: Model): HeaderFacts {
  return {
    format: model.format,
    variant: model.variant,
    files: model.files
      .map(({ name, byteLength }) => ({ name: fileKind(name), byteLength }))
      .slice(0, MOST_ROWS),
    tensorCount: model.storedTensors.length,
    tensors: cut(tensorRows(model.storedTensors)),
    metadata: cut(
      model.gguf === undefined ? configRows(model.hf?.config ?? {}) : ggufRows(model.gguf.metadata),
    ),
  };
}

function cut<T>(rows: readonly T[]): Rows<T> {
  return { rows: rows.slice(0, MOST_ROWS), leftOut: Math.max(0, rows.length - MOST_ROWS) };
}

/** Tensors whose names differ in numbers alone, and have one encoding, are one row. */
function tensorRows(tensors: readonly ModelTensor[]): TensorRow[] {
  const rows = new Map<string, { name: string; encoding: unknown; count: number; shapes: Set<string> }>();
  for (const { name, encoding, shape } of tensors) {
    const pattern = patternOf(name);
    const key = `${pattern} ${encoding}`;
    const row = rows.get(key) ?? {
      name: pattern,
      encoding: harmlessValue(encoding),
      count: 0,
      shapes: new Set<string>(),
    };
    row.count += 1;
    if (row.shapes.size <= MOST_SHAPES) row.shapes.add(shape.join("×"));
    rows.set(key, row);
  }
  return [...rows.values()].map(({ shapes, ...row }) => {
    const shown = [...shapes].slice(0, MOST_SHAPES);
    return { ...row, shapes: shapes.size > MOST_SHAPES ? [...shown, "…"] : shown };
  });
}

function ggufRows(metadata: Metadata): MetadataRow[] {
  const architecture = metadata.get("general.architecture");
  const prefix = architecture?.type === "string" ? `${architecture.value}.` : undefined;
  return [...metadata].map(([key, value]) => ({
    key: keyOf(key, prefix),
    ...typeOf(value),
    ...(isSetting(key, value, prefix) ? { value: settingValue(value.value) } : {}),
  }));
}

/** The name of an architecture that nobody knows may be a person's. */
function keyOf(key: string, prefix: string | undefined): string {
  if (prefix === undefined || !key.startsWith(prefix) || isKnownWord(prefix.slice(0, -1))) return nameOf(key);
  return `${HIDDEN}.${nameOf(key.slice(prefix.length))}`;
}

function typeOf(value: MetadataValue): { type: string; length?: number } {
  return value.type === "array"
    ? { type: `${value.elementType}[]`, length: value.length }
    : { type: value.type };
}

function isSetting(key: string, { type }: MetadataValue, prefix: string | undefined): boolean {
  if (GGUF_VALUES.includes(key)) return true;
  return prefix !== undefined && key.startsWith(prefix) && type !== "string" && type !== "array";
}

/** config.json: every key with its type, and the values of known settings. */
function configRows(config: Readonly<Record<string, unknown>>, parent = "", depth = 0): MetadataRow[] {
  const rows: MetadataRow[] = [];
  for (const [name, value] of Object.entries(config)) {
    if (rows.length > MOST_ROWS) break;
    const key = parent + (isListed(name) ? name : nameOf(name));
    const inner = isRecord(value) && depth < DEEPEST ? configRows(value, `${key}.`, depth + 1) : [];
    rows.push({ key, ...kindOf(value), ...shown(name, value) });
    for (const row of inner) rows.push(row);
  }
  return rows;
}

const isListed = (name: string): boolean => CONFIG_VALUES.has(name);

function shown(name: string, value: unknown): { value?: unknown } {
  if (!isListed(name) || isRecord(value)) return {};
  if (Array.isArray(value)) return { value: value.slice(0, MOST_SHAPES).map(settingValue) };
  return { value: settingValue(value) };
}

function kindOf(value: unknown): { type: string; length?: number } {
  if (Array.isArray(value)) return { type: "array", length: value.length };
  return { type: value === null ? "null" : typeof value };
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
