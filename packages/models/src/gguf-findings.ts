/**
 * Finds contradictions between metadata and tensors of a model with GGUF's names: models that llama.cpp refuses to load,
 * or that give wrong results. Only rules that hold for every family are used (checked with the golden models).
 */
import type { Finding, Metadata } from "@requant/core";
import { numberOf, stringOf } from "./metadata-values.ts";

/** @inline */
interface NamedShape {
  readonly name: string;
  readonly shape: readonly number[];
}

const LAYER = /^blk\.(\d+)\.(.+)$/;

/**
 * The embedding length is the number of columns of weights that read the residual stream, and of rows of weights that
 * write to it.
 */
const readsStream =
  /^(?:token_embd|output|blk\.\d+\.(?:attn_q|attn_k|attn_v|attn_qkv|attn_q_a|attn_kv_a_mqa|ffn_gate|ffn_up|ffn_gate_inp))\.weight$/;
const writesStream = /^blk\.\d+\.(?:attn_output|ffn_down)\.weight$/;
const scalesStream = /^(?:output_norm|blk\.\d+\.(?:attn_norm|ffn_norm))\.weight$/;

/** In every family, a layer with one tensor of such a list has all of them; latent attention has no attn_k. */
const companions: readonly (readonly string[])[] = [["ffn_up.weight", "ffn_down.weight"]];

/** The tensors that contradict the metadata, worst first; empty when there are none. */
export function ggufFindings(metadata: Metadata, tensors: readonly NamedShape[]): Finding[] {
  const architecture = stringOf(metadata.get("general.architecture"));
  // adapters, projectors and vocabulary files have the keys of a model but not its tensors
  const isModel = (stringOf(metadata.get("general.type")) ?? "model") === "model";
  if (architecture === undefined || !isModel || !tensors.some(({ name }) => LAYER.test(name))) return [];
  const number = (key: string): number | undefined => numberOf(metadata.get(`${architecture}.${key}`));
  return [
    ...shapeFindings(number("embedding_length"), tensors),
    ...layerFindings(number("block_count"), tensors),
    ...vocabularyFindings(metadata, number("vocab_size"), tensors),
  ];
}

/**
 * What is missing in a checkpoint that is to be converted. A GGUF of a few layers is a fair thing to inspect, so
 * `ggufFindings` has nothing against one; the runtimes' own checks name the parts that they need.
 */
export function missingParts(tensors: readonly NamedShape[]): Finding[] {
  if (!tensors.some(({ name }) => LAYER.test(name))) return [];
  if (tensors.some(({ name }) => name === "token_embd.weight")) return [];
  return [
    {
      code: "missing-tensor",
      severity: "error",
      tensor: "token_embd.weight",
      message: "The embedding of the tokens is missing.",
    },
  ];
}

function shapeFindings(embedding: number | undefined, tensors: readonly NamedShape[]): Finding[] {
  if (embedding === undefined) return [];
  return tensors.flatMap(({ name, shape }): Finding[] => {
    const side =
      readsStream.test(name) || scalesStream.test(name)
        ? "columns"
        : writesStream.test(name)
          ? "rows"
          : undefined;
    if (side === undefined) return [];
    // a stack of experts has its matrices inside
    const found = side === "columns" ? shape.at(-1) : shape.at(-2);
    if (found === embedding) return [];
    return [
      {
        code: "wrong-shape",
        severity: "error",
        tensor: name,
        message: `The weight is [${shape.join(", ")}]; its ${side} must be the embedding length, ${embedding}.`,
      },
    ];
  });
}

function layerFindings(count: number | undefined, tensors: readonly NamedShape[]): Finding[] {
  const layers = new Map<number, Set<string>>();
  for (const { name } of tensors) {
    const [, layer, rest] = LAYER.exec(name) ?? [];
    if (layer === undefined || rest === undefined) continue;
    const names = layers.get(Number(layer)) ?? new Set<string>();
    layers.set(Number(layer), names.add(rest));
  }
  const findings: Finding[] = [];
  // at most one finding: a config that claims a million layers is one fault
  for (let layer = 0; count !== undefined && layer < count; layer++) {
    if (layers.has(layer)) continue;
    findings.push({
      code: "missing-layer",
      severity: "error",
      tensor: `blk.${layer}`,
      message: `${count} layers are stated, but layer ${layer} has no tensors.`,
    });
    break;
  }
  const beyond = [...layers].find(([layer]) => count !== undefined && layer >= count);
  if (beyond !== undefined) {
    const [layer, [rest = ""]] = beyond;
    findings.push({
      code: "extra-layer",
      severity: "error",
      tensor: `blk.${layer}.${rest}`,
      message: `${count} layers are stated, but there are tensors of layer ${layer}.`,
    });
  }
  for (const [layer, names] of layers) {
    for (const group of companions) {
      const there = group.filter((name) => names.has(name));
      if (there.length === 0 || there.length === group.length) continue;
      for (const name of group.filter((candidate) => !names.has(candidate))) {
        findings.push({
          code: "missing-tensor",
          severity: "error",
          tensor: `blk.${layer}.${name}`,
          message: `Layer ${layer} has ${there.join(" and ")}, but no ${name}.`,
        });
      }
    }
  }
  return findings;
}

function vocabularyFindings(
  metadata: Metadata,
  stated: number | undefined,
  tensors: readonly NamedShape[],
): Finding[] {
  const tokens = metadata.get("tokenizer.ggml.tokens");
  const embedding = tensors.find(({ name }) => name === "token_embd.weight");
  const rows = embedding?.shape.at(-2);
  if (embedding === undefined || rows === undefined) return [];
  const count = tokens?.type === "array" ? tokens.length : rows;
  const faults = [
    ...(count === rows ? [] : [`The vocabulary has ${count} tokens, the embedding ${rows} rows.`]),
    ...(stated === undefined || stated === rows
      ? []
      : [`The vocabulary is said to have ${stated} tokens, the embedding has ${rows} rows.`]),
  ];
  return faults.map((message) => ({
    code: "vocabulary-size",
    severity: "warning",
    tensor: embedding.name,
    message,
  }));
}
