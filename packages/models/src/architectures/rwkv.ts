/** RWKV 6 and 7: recurrent layers whose shifts and low-rank pairs GGUF stacks (llama.cpp, conversion/rwkv.py). */
import { elementCount, roundHalfEven } from "@requant/core";
import type { Config } from "../config.ts";
import { numberOf, string, u32 } from "../metadata-values.ts";
import type { TokenizerRules } from "../tokenizer/rules.ts";
import type { ElementMap } from "../weight-plan.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorContext, TensorRule } from "./architecture.ts";
import { count, derived, fixed, generic, real } from "./parameters.ts";
import { mapped, reshaped, same, transposed, transposedStack } from "./tensors.ts";

const flat = (
  hf: string,
  gguf: string,
  toHf: (shape: readonly number[], config: Config) => readonly number[],
) => reshaped(hf, gguf, (shape) => [elementCount(shape)], toHf);

const shift = (shape: readonly number[]): readonly number[] => [1, 1, elementCount(shape)];

/** Shifts `[1, 1, h]` of several names, stacked to `[n, 1, 1, h]`. */
function stackedShifts(names: readonly string[], gguf: string): TensorRule {
  return {
    hf: names,
    gguf: [gguf],
    toGguf: (parts, { shapeOf }) => {
      const tensors = parts.map(([tensor = ""]) => tensor);
      const length = elementCount(shapeOf(tensors[0] ?? ""));
      return [{ shape: [tensors.length, 1, 1, length], inputs: tensors.map((tensor) => ({ tensor })) }];
    },
    toHf: ([tensor = ""], { shapeOf }) => {
      const length = shapeOf(tensor).at(-1) ?? 1;
      return names.map((_, row) => [
        { shape: [1, 1, length], inputs: [{ tensor, rows: [row, row + 1] as const }] },
      ]);
    },
  };
}

/** llama.cpp's converter writes this where a checkpoint has no template; llama.cpp knows it by this name. */
const worldTemplate: TokenizerRules = {
  kinds: ["rwkv"],
  after: [
    ({ metadata }) =>
      metadata.has("tokenizer.chat_template") ? [] : [["tokenizer.chat_template", string("rwkv-world")]],
  ],
};

const head: readonly ParameterRule[] = [
  // a model without positions has no limit: the converter writes this number
  fixed("~.context_length", u32(1048576)),
  generic.embeddingLength,
  generic.blockCount,
];

const tail: readonly ParameterRule[] = [generic.fileType, fixed("~.attention.head_count", u32(0))];

const block = "rwkv.blocks.{layer}";
const attention = `${block}.attention`;
const feedForward = `${block}.feed_forward`;

/** The width of the feed-forward where config.json does not say it. */
const finchLength = (hidden: number): number => Math.trunc(Math.floor((hidden * 3.5) / 32) * 32);

/** Weights that are halved again every so many layers. */
function rescaled(hf: string, gguf: string): TensorRule {
  const factor = ({ config, layer }: TensorContext): number => {
    const period = config.count("rescale_every") ?? 0;
    return period > 0 ? 2 ** Math.floor((layer ?? 0) / period) : 1;
  };
  const steps = (map: (own: number) => ElementMap) => (context: TensorContext) => {
    const own = factor(context);
    return own === 1 ? {} : { map: map(own) };
  };
  return mapped(
    hf,
    gguf,
    steps((own) => ({ divide: [own] })),
    steps((own) => ({ multiply: [own] })),
  );
}

/** The rank of a pair, which the config does not say. */
const byWidth = (key: string, wide: number, usual: number): ParameterRule =>
  derived(key, (config) => u32(config.need("hidden_size") === 4096 ? wide : usual));

export const rwkv6: Architecture = {
  name: "rwkv6",
  memory: { states: "all" },
  classes: ["Rwkv6ForCausalLM"],
  modelType: "rwkv6",
  // transformers has no class for it
  defaults: {},
  hasRope: false,
  parameters: [
    ...head,
    real("~.attention.layer_norm_epsilon", ["layer_norm_epsilon"]),
    count("~.rescale_every_n_layers", ["rescale_every"]),
    count("~.wkv.head_size", ["head_size"]),
    byWidth("~.time_mix_extra_dim", 64, 32),
    byWidth("~.time_decay_extra_dim", 128, 64),
    derived(
      "~.feed_forward_length",
      (config) => u32(config.count("intermediate_size") ?? finchLength(config.need("hidden_size"))),
      (value, draft) => {
        const own = numberOf(value) ?? 0;
        const usual = finchLength(numberOf(draft.parameter("~.embedding_length")) ?? 0);
        draft.values.set("intermediate_size", own === usual ? null : own);
      },
    ),
    ...tail,
  ],
  tensors: [
    same("rwkv.embeddings.weight", "token_embd.weight"),
    same("rwkv.ln_out.*", "output_norm.*"),
    same("head.weight", "output.weight"),
    same("rwkv.blocks.0.pre_ln.*", "token_embd_norm.*"),
    same(`${block}.ln1.*`, "blk.{layer}.attn_norm.*"),
    same(`${block}.ln2.*`, "blk.{layer}.attn_norm_2.*"),
    ...["gate", "key", "receptance", "value"].map((part) =>
      same(`${attention}.${part}.weight`, `blk.{layer}.time_mix_${part}.weight`),
    ),
    rescaled(`${attention}.output.weight`, "blk.{layer}.time_mix_output.weight"),
    same(`${attention}.ln_x.*`, "blk.{layer}.time_mix_ln.*"),
    flat(`${attention}.time_decay`, "blk.{layer}.time_mix_decay.weight", shift),
    transposed(`${attention}.time_decay_w1`, "blk.{layer}.time_mix_decay_w1.weight"),
    transposed(`${attention}.time_decay_w2`, "blk.{layer}.time_mix_decay_w2.weight"),
    same(`${attention}.time_faaaa`, "blk.{layer}.time_mix_first.weight"),
    stackedShifts(
      ["w", "k", "v", "r", "g"].map((part) => `${attention}.time_maa_${part}`),
      "blk.{layer}.time_mix_lerp_fused.weight",
    ),
    flat(`${attention}.time_maa_x`, "blk.{layer}.time_mix_lerp_x.weight", shift),
    transposed(`${attention}.time_maa_w1`, "blk.{layer}.time_mix_w1.weight"),
    transposedStack(`${attention}.time_maa_w2`, "blk.{layer}.time_mix_w2.weight"),
    same(`${feedForward}.key.weight`, "blk.{layer}.channel_mix_key.weight"),
    same(`${feedForward}.receptance.weight`, "blk.{layer}.channel_mix_receptance.weight"),
    rescaled(`${feedForward}.value.weight`, "blk.{layer}.channel_mix_value.weight"),
    flat(`${feedForward}.time_maa_k`, "blk.{layer}.channel_mix_lerp_k.weight", shift),
    flat(`${feedForward}.time_maa_r`, "blk.{layer}.channel_mix_lerp_r.weight", shift),
  ],
  tokenizer: worldTemplate,
  finishConfig({ values, parameter }) {
    const hidden = numberOf(parameter("~.embedding_length")) ?? 0;
    values.set("attention_hidden_size", hidden);
    values.set("num_attention_heads", hidden / (numberOf(parameter("~.wkv.head_size")) ?? 64));
    values.set("head_size_divisor", 8);
    values.set("model_version", "6_0");
  },
};

const goose = "model.layers.{layer}";
const mix = `${goose}.attn`;

function rank(key: string, name: string, exponent: number, factor: number): ParameterRule {
  return derived(
    key,
    (config) => {
      const width = config.need("hidden_size") ** exponent * factor;
      return u32(config.count(name) ?? Math.max(1, roundHalfEven(width / 32)) * 32);
    },
    (value, draft) => draft.values.set(name, numberOf(value) ?? null),
  );
}

/** The parts of a low-rank pair: in, out, and a bias. */
const pairParts: readonly (readonly [hf: string, gguf: string])[] = [
  ["lora.0.weight", "1"],
  ["lora.2.weight", "2"],
  ["lora.2.bias", "0"],
];

/** The first layer has no pair for values: llama.cpp gets the one of a in its place. */
const firstPairs: readonly TensorRule[] = pairParts.map(([hf, part]) => ({
  hf: [`model.layers.0.attn.a_lora.${hf}`],
  gguf: [`blk.0.time_mix_v${part}.weight`, `blk.0.time_mix_a${part}.weight`],
  toGguf: ([names], { shapeOf }) => {
    const tensor = names?.[0] ?? "";
    const plan = { shape: shapeOf(tensor), inputs: [{ tensor }] };
    return [plan, plan];
  },
  toHf: ([, tensor = ""], { shapeOf }) => [[{ shape: shapeOf(tensor), inputs: [{ tensor }] }]],
}));

function finishGoose({ values, parameter, ggufNames, assume }: ConfigDraft): void {
  const layers = numberOf(parameter("~.block_count")) ?? 0;
  const hidden = numberOf(parameter("~.embedding_length")) ?? 0;
  const length = numberOf(parameter("~.feed_forward_length")) ?? 0;
  values.set("hidden_ratio", hidden === 0 ? 4 : length / hidden);
  values.set("hidden_act", "sqrelu");
  values.set("attn", null);
  values.set("attn_mode", "chunk");
  values.set("norm_first", ggufNames.has("token_embd_norm.weight"));
  values.set("norm_bias", ggufNames.has("output_norm.bias"));
  values.set("max_position_embeddings", 2048);
  assume("max_position_embeddings", 2048, "a GGUF does not hold it; that of the published models is taken");
  values.set("value_dim", new Array<number>(layers).fill(hidden));
}

export const rwkv7: Architecture = {
  name: "rwkv7",
  memory: { states: "all" },
  classes: ["RWKV7ForCausalLM", "Rwkv7ForCausalLM"],
  modelType: "rwkv7",
  // transformers has no class for it
  defaults: {},
  hasRope: false,
  parameters: [
    ...head,
    real("~.attention.layer_norm_epsilon", ["norm_eps"]),
    count("~.wkv.head_size", ["head_dim"]),
    rank("~.attention.decay_lora_rank", "decay_low_rank_dim", 0.5, 1.8),
    rank("~.attention.iclr_lora_rank", "a_low_rank_dim", 0.5, 1.8),
    rank("~.attention.value_residual_mix_lora_rank", "v_low_rank_dim", 0.5, 1.3),
    rank("~.attention.gate_lora_rank", "gate_low_rank_dim", 0.8, 0.6),
    derived(
      "~.feed_forward_length",
      (config) => u32(config.count("intermediate_size") ?? 4 * config.need("hidden_size")),
      generic.feedForwardLength.toHf,
    ),
    ...tail,
  ],
  tensors: [
    same("model.embeddings.weight", "token_embd.weight"),
    same("model.norm.*", "output_norm.*"),
    same("lm_head.weight", "output.weight"),
    same("model.layers.0.pre_norm.*", "token_embd_norm.*"),
    same(`${goose}.attn_norm.*`, "blk.{layer}.attn_norm.*"),
    same(`${goose}.ffn_norm.*`, "blk.{layer}.attn_norm_2.*"),
    ...firstPairs,
    ...["w", "a", "g", "v"].flatMap((part) =>
      pairParts.map(([hf, own]) =>
        same(`${mix}.${part}_lora.${hf}`, `blk.{layer}.time_mix_${part}${own}.weight`),
      ),
    ),
    stackedShifts(
      ["r", "w", "k", "v", "a", "g"].map((part) => `${mix}.x_${part}`),
      "blk.{layer}.time_mix_lerp_fused.weight",
    ),
    same(`${mix}.k_k`, "blk.{layer}.time_mix_k_k.weight"),
    same(`${mix}.k_a`, "blk.{layer}.time_mix_k_a.weight"),
    flat(`${mix}.r_k`, "blk.{layer}.time_mix_r_k.weight", ([length = 0], config) => [
      length / config.need("head_dim"),
      config.need("head_dim"),
    ]),
    same(`${mix}.k_proj.weight`, "blk.{layer}.time_mix_key.weight"),
    same(`${mix}.v_proj.weight`, "blk.{layer}.time_mix_value.weight"),
    same(`${mix}.r_proj.weight`, "blk.{layer}.time_mix_receptance.weight"),
    same(`${mix}.o_proj.weight`, "blk.{layer}.time_mix_output.weight"),
    same(`${mix}.g_norm.*`, "blk.{layer}.time_mix_ln.*"),
    same(`${goose}.ffn.key.weight`, "blk.{layer}.channel_mix_key.weight"),
    same(`${goose}.ffn.value.weight`, "blk.{layer}.channel_mix_value.weight"),
    flat(`${goose}.ffn.x_k`, "blk.{layer}.channel_mix_lerp_k.weight", (shape) => shape),
  ],
  leftOut: [
    {
      pattern: /^model\.layers\.0\.attn\.v_lora\./,
      reason: "the first layer has no earlier values to mix in: the pair is not used",
    },
  ],
  tokenizer: worldTemplate,
  finishConfig: finishGoose,
};
