/** A llama-equivalent checkpoint as a LlamaForCausalLM: every tensor planned, config.json and tokenizer_config.json rewritten. */

import { ConversionError, type Finding, type MetadataValue } from "@requant/core";
import { architectureOfConfig, architectures } from "../architectures/index.ts";
import type { Config } from "../config.ts";
import { resolveConfig } from "../config.ts";
import { ropeSettings } from "../gguf-to-hf.ts";
import { classNames, type HfFiles, type HfTensor } from "../hf-files.ts";
import { field, type JsonObject, type JsonValue } from "../json.ts";
import { string } from "../metadata-values.ts";
import { note } from "../note.ts";
import { type LeftOut, planRenamed } from "../plan-tensors.ts";
import { addTokenizerMetadata } from "../tokenizer/to-gguf.ts";
import { tokenizerFiles } from "../tokenizer/to-hf.ts";
import type { WeightPlan } from "../weight-plan.ts";
import type { LlamaEquivalent } from "./equivalent.ts";
import { llamaEquivalents, notLlamas } from "./equivalents.ts";

/** A Llama made from another family. */
export interface LlamafyPlan {
  /** The resulting Llama, as a directory that other conversions can start from. */
  readonly files: HfFiles;
  /** A plan for each of its tensors from the source's tensors, by name. */
  readonly tensors: readonly WeightPlan[];
  /** Side files whose contents differ from the source's. */
  readonly rewritten: ReadonlyMap<string, string>;
  readonly leftOut: readonly LeftOut[];
  /** What a user should know. */
  readonly findings: readonly Finding[];
}

function refuse(name: string, reason: string): never {
  throw new ConversionError(`${name} is not a Llama under other names: ${reason}.`, {
    path: "config.json",
    hint: "Convert it without `llamafy`.",
  });
}

function equivalentOf(config: JsonObject): { name: string; equivalent: LlamaEquivalent } {
  const names = classNames(config);
  for (const name of names) {
    const equivalent = llamaEquivalents.find(({ classes }) => classes.includes(name));
    if (equivalent !== undefined) return { name, equivalent };
  }
  const name = names[0] ?? "a model without a class";
  const reason = notLlamas.find(([pattern]) => pattern.test(name))?.[1];
  const family = architectures.find(({ classes }) => classes.includes(name));
  const unknown = `the class is unknown; the classes known to be equal are ${knownClasses()}`;
  return refuse(name, reason ?? (family === undefined ? unknown : `it is a ${family.name}`));
}

function knownClasses(): string {
  return llamaEquivalents.flatMap(({ classes }) => classes.slice(0, 1)).join(", ");
}

/** Weights that each layer of a Llama has. */
const layerWeights = [
  "input_layernorm",
  "post_attention_layernorm",
  "self_attn.q_proj",
  "self_attn.k_proj",
  "self_attn.v_proj",
  "self_attn.o_proj",
  "mlp.gate_proj",
  "mlp.up_proj",
  "mlp.down_proj",
];

function refuseIncomplete(names: ReadonlySet<string>, layers: number): void {
  const wanted = [
    "model.embed_tokens.weight",
    "model.norm.weight",
    ...Array.from({ length: layers }, (_, layer) =>
      layerWeights.map((part) => `model.layers.${layer}.${part}.weight`),
    ).flat(),
  ];
  const missing = wanted.filter((name) => !names.has(name));
  if (missing.length === 0) return;
  throw new ConversionError(
    `${missing.length} tensors of the Llama have no source; the first is ${missing[0]}.`,
    {
      tensor: missing[0],
      hint: "Check that all shards are there.",
    },
  );
}

/** Llama has a bias on all four projections of attention, or on none: missing biases are zero. */
function outputBiases(tensors: readonly WeightPlan[], layers: number, hidden: number): WeightPlan[] {
  const names = new Set(tensors.map(({ name }) => name));
  if (!names.has("model.layers.0.self_attn.q_proj.bias")) return [];
  return Array.from({ length: layers }, (_, layer) => `model.layers.${layer}.self_attn.o_proj.bias`)
    .filter((name) => !names.has(name))
    .map((name) => ({ name, shape: [hidden], inputs: [{ zeros: hidden }] }));
}

/** Keys with the same meaning in every class. */
const kept = [
  "bos_token_id",
  "eos_token_id",
  "pad_token_id",
  "attention_dropout",
  "initializer_range",
  "pretraining_tp",
  "use_cache",
  "torch_dtype",
  "dtype",
  "quantization_config",
];

function llamaConfig(
  files: HfFiles,
  config: Config,
  equivalent: LlamaEquivalent,
  tensors: readonly WeightPlan[],
): JsonObject {
  const names = new Set(tensors.map(({ name }) => name));
  const vocabulary = tensors.find(({ name }) => name === "model.embed_tokens.weight")?.shape[0];
  const heads = config.need("num_attention_heads");
  const hidden = config.need("hidden_size");
  const values = new Map<string, JsonValue>([
    ["hidden_act", "silu"],
    ["hidden_size", hidden],
    ["intermediate_size", config.need("intermediate_size")],
    ["max_position_embeddings", config.count("max_position_embeddings") ?? 2048],
    ["num_attention_heads", heads],
    ["num_hidden_layers", config.need("num_hidden_layers")],
    ["num_key_value_heads", config.need("num_key_value_heads")],
    ["rms_norm_eps", config.number("rms_norm_eps") ?? 1e-6],
    ["vocab_size", vocabulary ?? config.need("vocab_size")],
    ["attention_bias", names.has("model.layers.0.self_attn.q_proj.bias")],
    ["mlp_bias", names.has("model.layers.0.mlp.gate_proj.bias")],
    ["tie_word_embeddings", !names.has("lm_head.weight")],
    ...ropeSettings(config.rope()),
  ]);
  if (config.headLength * heads !== hidden) values.set("head_dim", config.headLength);
  for (const key of kept) {
    const value = [field(files.config, key), config.get(key), field(files.generationConfig, key)].find(
      (one) => one !== undefined,
    );
    if (value !== undefined) values.set(key, value);
  }
  for (const [key, value] of Object.entries(equivalent.settings?.(config, files) ?? {}))
    values.set(key, value);
  return { architectures: ["LlamaForCausalLM"], model_type: "llama", ...Object.fromEntries(values) };
}

/** Removes the checkpoint's own tokenizer class, which needs the checkpoint's code. */
function llamaTokenizerConfig(files: HfFiles): JsonObject | undefined {
  const { tokenizerConfig } = files;
  if (tokenizerConfig === undefined || field(tokenizerConfig, "auto_map") === undefined) return undefined;
  const rest = Object.entries(tokenizerConfig).filter(([key]) => key !== "auto_map");
  const fast = files.tokenizerJson === undefined ? undefined : "PreTrainedTokenizerFast";
  const name = files.tokenizerModel === undefined ? fast : "LlamaTokenizer";
  return { ...Object.fromEntries(rest), ...(name === undefined ? {} : { tokenizer_class: name }) };
}

/**
 * A tokenizer.json from files that only the original class reads (qwen.tiktoken), made from the keys that a GGUF would
 * have for them.
 */
function tokenizerOfOwnKind(files: HfFiles, config: Config): ReadonlyMap<string, JsonObject> | undefined {
  if (files.tiktoken === undefined || files.tokenizerJson !== undefined) return undefined;
  const family = architectureOfConfig(files.config);
  const metadata = new Map<string, MetadataValue>([["general.architecture", string(family.name)]]);
  addTokenizerMetadata(metadata, files, config, family.name, family.tokenizer);
  const made = tokenizerFiles(
    metadata,
    family.tokenizer,
    config.count("seq_length", "max_position_embeddings"),
  );
  return new Map(
    [...made.files].flatMap(([name, content]) => (content instanceof Uint8Array ? [] : [[name, content]])),
  );
}

function jsonText(value: JsonObject): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

/**
 * Plans a LlamaForCausalLM of a checkpoint of another class with the same arithmetic. Weights are moved row by row, so packed ones
 * can be moved as they are; nothing is computed.
 * @throws ConversionError when the class, or this checkpoint of it, is not equivalent to a Llama; the message names the difference.
 */
export function llamafy(files: HfFiles): LlamafyPlan {
  const { name: className, equivalent } = equivalentOf(files.config);
  const config = resolveConfig(files.config, equivalent.configClass);
  const activation = config.text("hidden_act") ?? "silu";
  if (activation !== "silu") refuse(className, `its activation is ${activation}`);
  const obstacle = equivalent.obstacle?.(config, files);
  if (obstacle !== undefined) refuse(className, obstacle);
  const { tensors: moved, leftOut } = planRenamed(
    equivalent.tensors,
    config,
    files.tensors,
    "LlamaForCausalLM",
  );
  const layers = config.need("num_hidden_layers");
  refuseIncomplete(new Set(moved.map(({ name }) => name)), layers);
  const added = outputBiases(moved, layers, config.need("hidden_size"));
  const tensors = [...moved, ...added].sort((a, b) => (a.name < b.name ? -1 : 1));
  const newConfig = llamaConfig(files, config, equivalent, tensors);
  const tokenizer = tokenizerOfOwnKind(files, config) ?? new Map<string, JsonObject>();
  const tokenizerConfig = tokenizer.get("tokenizer_config.json") ?? llamaTokenizerConfig(files);
  const tokenizerJson = tokenizer.get("tokenizer.json");
  const encodings = new Map(files.tensors.map(({ name, encoding }) => [name, encoding]));
  return {
    files: {
      ...files,
      config: newConfig,
      tokenizerConfig: tokenizerConfig ?? files.tokenizerConfig,
      tokenizerJson: tokenizerJson ?? files.tokenizerJson,
      tensors: tensors.map((plan) => ({
        name: plan.name,
        shape: plan.shape,
        encoding: encodingOf(plan, encodings),
      })),
    },
    tensors,
    rewritten: new Map([
      ["config.json", jsonText(newConfig)],
      ...(tokenizerConfig === undefined
        ? []
        : [["tokenizer_config.json", jsonText(tokenizerConfig)] as const]),
      ...(tokenizerJson === undefined ? [] : [["tokenizer.json", jsonText(tokenizerJson)] as const]),
    ]),
    leftOut,
    findings: [
      ...(added.length > 0
        ? [
            note(
              "llamafied",
              `Added ${added.length} o_proj biases of zeros: Llama has them with attention_bias.`,
            ),
          ]
        : []),
      ...(equivalent.findings?.(config, files) ?? []),
    ],
  };
}

/** The encoding of an added bias of zeros: that of the bias beside it. */
function encodingOf(plan: WeightPlan, encodings: ReadonlyMap<string, string>): HfTensor["encoding"] {
  for (const input of plan.inputs) {
    const encoding = "tensor" in input ? encodings.get(input.tensor) : undefined;
    if (encoding !== undefined) return encoding;
  }
  const floats = [...encodings.values()].filter((encoding) => /^(B?F16|F32)$/.test(encoding));
  return floats[0] ?? "F32";
}
