import { elementCount, type Finding, type MetadataValue } from "@requant/core";
import { fileTypeByNumber } from "@requant/gguf";
import { isTokenEmbedding, tensorRole } from "@requant/models";
import type { MeasuredFact } from "../model/measured-fact.ts";
import type { Model, ModelFile, ModelTensor } from "../model/model.ts";
import { packedFacts } from "../model/packed-facts.ts";
import type { TensorGrid } from "./tensor-grids.ts";

/** What one encoding takes of a model. */
export interface EncodingShare {
  readonly encoding: string;
  readonly tensorCount: number;
  readonly parameterCount: number;
  readonly byteLength: number;
  readonly bitsPerWeight: number;
}

/** A labelled value for people. */
export interface Fact {
  readonly label: string;
  readonly value: string | number | boolean;
}

/** What is in a model, from its headers and small parts. */
export interface Inspection {
  readonly name: string;
  readonly format: string;
  readonly variant: string;
  readonly architecture: string | undefined;
  readonly parameterCount: number;
  readonly tensorCount: number;
  /** Of all files of the model. */
  readonly fileByteLength: number;
  /** Of the tensors alone. */
  readonly tensorByteLength: number;
  /** Bits of all tensors over all parameters: scales, zeros and permutations included. */
  readonly bitsPerWeight: number;
  readonly encodings: readonly EncodingShare[];
  readonly files: readonly ModelFile[];
  readonly facts: readonly Fact[];
  readonly measured: readonly MeasuredFact[];
  /** What is doubtful or disagrees, and what is good to know. */
  readonly findings: readonly Finding[];
  readonly tensors: readonly ModelTensor[];
  /** Where they were asked for: the grids that matrices of floats lie on. */
  readonly grids?: readonly TensorGrid[] | undefined;
}

/** What to look at beside headers and small parts. */
export interface InspectOptions {
  /** Look for the grid of an earlier quantization in every matrix of floats, which takes one pass over those that have one. */
  readonly grids?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What is in a model, from its headers and the small parts of its packed weights. */
export async function inspectModel(
  model: Model,
  { grids, signal }: InspectOptions = {},
): Promise<Inspection> {
  const packed = await packedFacts(model);
  const { name, format, variant, architecture, files, tensors } = model;
  const parameterCount = tensors.reduce((sum, { shape }) => sum + elementCount(shape), 0);
  const tensorByteLength = tensors.reduce((sum, { byteLength }) => sum + byteLength, 0);
  return {
    name,
    format,
    variant,
    architecture,
    parameterCount,
    tensorCount: tensors.length,
    fileByteLength: files.reduce((sum, { byteLength }) => sum + byteLength, 0),
    tensorByteLength,
    bitsPerWeight: parameterCount === 0 ? 0 : (tensorByteLength * 8) / parameterCount,
    encodings: encodingShares(tensors),
    files,
    facts: factsOf(model),
    measured: [...packed.measured, ...measuredFacts(model)],
    findings: [...model.findings, ...packed.findings],
    tensors,
    ...(grids === true
      ? { grids: await (await import("./tensor-grids.ts")).tensorGrids(model, signal) }
      : {}),
  };
}

/** Largest first. */
function encodingShares(tensors: readonly ModelTensor[]): EncodingShare[] {
  const encodings = [...new Set(tensors.map(({ encoding }) => encoding))];
  return encodings
    .map((encoding) => {
      const members = tensors.filter((tensor) => tensor.encoding === encoding);
      const parameterCount = members.reduce((sum, { shape }) => sum + elementCount(shape), 0);
      const byteLength = members.reduce((sum, tensor) => sum + tensor.byteLength, 0);
      return {
        encoding,
        tensorCount: members.length,
        parameterCount,
        byteLength,
        bitsPerWeight: parameterCount === 0 ? 0 : (byteLength * 8) / parameterCount,
      };
    })
    .sort((a, b) => b.byteLength - a.byteLength);
}

/** Facts for people: label, GGUF key (`~` is the architecture), config.json keys. */
const FACTS: readonly (readonly [label: string, gguf: string | undefined, ...hf: string[]])[] = [
  ["name", "general.name"],
  ["size label", "general.size_label"],
  ["layers", "~.block_count", "num_hidden_layers", "n_layer"],
  ["context length", "~.context_length", "max_position_embeddings", "n_positions"],
  ["embedding length", "~.embedding_length", "hidden_size", "n_embd"],
  ["feed-forward length", "~.feed_forward_length", "intermediate_size", "n_inner"],
  ["attention heads", "~.attention.head_count", "num_attention_heads", "n_head"],
  ["key-value heads", "~.attention.head_count_kv", "num_key_value_heads"],
  ["experts", "~.expert_count", "num_local_experts", "num_experts", "n_routed_experts"],
  ["experts used", "~.expert_used_count", "num_experts_per_tok"],
  ["vocabulary", "~.vocab_size", "vocab_size"],
  ["tokenizer", "tokenizer.ggml.model"],
  ["pre-tokenizer", "tokenizer.ggml.pre"],
  ["tied embeddings", undefined, "tie_word_embeddings"],
];

function factsOf(model: Model): Fact[] {
  return FACTS.flatMap(([label, gguf, ...hf]): Fact[] => {
    const value = factValue(model, gguf, hf);
    return value === undefined ? [] : [{ label, value }];
  });
}

function factValue(model: Model, gguf: string | undefined, hf: readonly string[]): Fact["value"] | undefined {
  if (model.gguf !== undefined && gguf !== undefined) {
    return scalar(model.gguf.metadata.get(gguf.replace("~", model.architecture ?? "~")));
  }
  const config = textConfig(model.hf?.config);
  const found = hf.map((key) => config?.[key]).find((value) => value !== undefined && value !== null);
  return typeof found === "number" || typeof found === "string" || typeof found === "boolean"
    ? found
    : undefined;
}

/** Multimodal configs keep the language model's facts one level down. */
function textConfig(
  config: Readonly<Record<string, unknown>> | undefined,
): Readonly<Record<string, unknown>> | undefined {
  const nested = config?.["text_config"];
  return typeof nested === "object" && nested !== null ? { ...config, ...nested } : config;
}

function scalar(value: MetadataValue | undefined): Fact["value"] | undefined {
  if (value === undefined || value.type === "array") return undefined;
  return typeof value.value === "bigint" ? Number(value.value) : value.value;
}

const LAYER = /(?:^|\.)(?:blk|layers|h|block)\.(\d+)\./;

function measuredFacts(model: Model): MeasuredFact[] {
  const facts: MeasuredFact[] = [];
  const claim = (
    label: string,
    measured: MeasuredFact["measured"],
    claimed: MeasuredFact["claimed"],
  ): void => {
    facts.push({ label, measured, claimed, agrees: claimed === undefined || claimed === measured });
  };
  const main = mainEncoding(model.tensors);
  const packed = model.tensors.some(({ linear }) => linear !== undefined);
  // the config's dtype is that of the other weights
  if (main !== undefined) claim("main encoding", main, packed ? undefined : claimedEncoding(model));
  const layers = new Set(model.tensors.flatMap(({ name }) => LAYER.exec(name)?.[1] ?? []));
  if (layers.size > 0) claim("layers", layers.size, numberFact(model, "layers"));
  const embedding = model.tensors.find(({ name }) => isTokenEmbedding(name));
  if (embedding !== undefined) {
    claim("vocabulary", embedding.shape[0] ?? 0, numberFact(model, "vocabulary"));
    claim("embedding length", embedding.shape.at(-1) ?? 0, numberFact(model, "embedding length"));
  }
  return facts;
}

function numberFact(model: Model, label: string): number | undefined {
  const found = FACTS.find(([name]) => name === label);
  if (found === undefined) return undefined;
  const [, gguf, ...hf] = found;
  const value = factValue(model, gguf, hf);
  return typeof value === "number" ? value : undefined;
}

function isMatrix(name: string): boolean {
  const role = tensorRole(name);
  return role !== "norm" && role !== "bias";
}

/** The encoding of most weights in matrices. */
function mainEncoding(tensors: readonly ModelTensor[]): string | undefined {
  const matrices = tensors.filter(({ name, shape }) => shape.length >= 2 && isMatrix(name));
  const shares = encodingShares(matrices).sort((a, b) => b.parameterCount - a.parameterCount);
  return shares[0]?.encoding;
}

const DTYPES: Readonly<Record<string, string>> = {
  float32: "F32",
  float16: "F16",
  bfloat16: "BF16",
  float64: "F64",
};

function claimedEncoding(model: Model): string | undefined {
  if (model.gguf !== undefined) {
    const fileType = scalar(model.gguf.metadata.get("general.file_type"));
    const found = typeof fileType === "number" ? fileTypeByNumber(fileType) : undefined;
    return found !== undefined && "baseType" in found ? found.baseType : found?.name;
  }
  const dtype = model.hf?.config?.["dtype"] ?? model.hf?.config?.["torch_dtype"];
  return typeof dtype === "string" ? (DTYPES[dtype] ?? dtype) : undefined;
}
