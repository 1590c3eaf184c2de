/** Tensor rules: the transforms between Hugging Face's layout and GGUF's, each with its inverse. */
import { elementCount } from "@requant/core";
import type { Config } from "../config.ts";
import type { ElementMap, StoredInput } from "../weight-plan.ts";
import type { LeftOutRule, PlannedTensor, TensorContext, TensorRule } from "./architecture.ts";

type Steps = Omit<StoredInput, "tensor">;
type StepsOf = (context: TensorContext) => Steps;

const noSteps: StepsOf = () => ({});

function stored(
  name: string,
  context: TensorContext,
  steps: Steps,
  shape?: readonly number[],
): PlannedTensor {
  return { shape: shape ?? context.shapeOf(name), inputs: [{ tensor: name, ...steps }] };
}

/** One tensor on each side, of the same shape, with steps in both directions. */
export function mapped(hf: string, gguf: string, toGguf: StepsOf, toHf: StepsOf): TensorRule {
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], context) => [stored(names?.[0] ?? "", context, toGguf(context))],
    toHf: ([name], context) => [[stored(name ?? "", context, toHf(context))]],
  };
}

/** The same tensor under another name. */
export function same(hf: string, gguf: string): TensorRule {
  return { ...mapped(hf, gguf, noSteps, noSteps), plain: true };
}

/** A spelling that is read but never written back: another rule has the same GGUF name. */
export function readOnly(rule: TensorRule): TensorRule {
  return { ...rule, oneWay: true };
}

/** Elementwise arithmetic in one direction and its inverse in the other. */
export function arithmetic(hf: string, gguf: string, toGguf: ElementMap, toHf: ElementMap): TensorRule {
  return mapped(
    hf,
    gguf,
    () => ({ map: toGguf }),
    () => ({ map: toHf }),
  );
}

/** A norm stored as its difference to one (Gemma and relatives). */
export function shiftedNorm(hf: string, gguf: string): TensorRule {
  return arithmetic(hf, gguf, "add-one", "subtract-one");
}

/** Head counts of the q and k projections. */
export const queryHeads = (config: Config): number => config.need("num_attention_heads", "n_head", "n_heads");
export const keyHeads = (config: Config): number =>
  config.count("num_key_value_heads", "n_kv_heads") ?? queryHeads(config);

/** Rows from half-split to interleaved rotary order and back; biases likewise, element by element. */
export function rotary(
  hf: string,
  gguf: string,
  headsOf: (config: Config, layer: number | undefined) => number,
): TensorRule {
  const steps =
    (kind: "rope-to-pairs" | "rope-to-halves"): StepsOf =>
    (context) => ({
      ...(context.suffix === ".bias" ? { rowLength: 1 } : {}),
      rowOrder: { kind, headCount: headsOf(context.config, context.layer) },
    });
  return mapped(hf, gguf, steps("rope-to-pairs"), steps("rope-to-halves"));
}

/** A matrix that is stored transposed (GPT-2's Conv1D); biases are unchanged. */
export function transposed(hf: string, gguf: string): TensorRule {
  const plan = (name: string, context: TensorContext): PlannedTensor => {
    const shape = context.shapeOf(name);
    if (shape.length !== 2) return stored(name, context, {});
    return stored(name, context, { transpose: true }, [...shape].reverse());
  };
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], context) => [plan(names?.[0] ?? "", context)],
    toHf: ([name], context) => [[plan(name ?? "", context)]],
  };
}

/** A stack of matrices, each transposed: `[n, in, out]` ↔ `[n, out, in]`. */
export function transposedStack(hf: string, gguf: string): TensorRule {
  const plan = (tensor: string, { shapeOf }: TensorContext): PlannedTensor => {
    const [depth = 1, rows = 1, columns = 1] = shapeOf(tensor);
    const inputs = Array.from(
      { length: depth },
      (_, index): StoredInput => ({ tensor, rows: [index * rows, (index + 1) * rows], transpose: true }),
    );
    return { shape: [depth, columns, rows], inputs };
  };
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], context) => [plan(names?.[0] ?? "", context)],
    toHf: ([name = ""], context) => [[plan(name, context)]],
  };
}

export type ShapeOf = (shape: readonly number[], config: Config) => readonly number[];

/** The same numbers in the same order, in another shape. */
export function reshaped(
  hf: string,
  gguf: string,
  toGguf: ShapeOf,
  toHf: ShapeOf,
  maps?: readonly [toGguf: ElementMap, toHf: ElementMap],
): TensorRule {
  const plan = (name: string, context: TensorContext, way: 0 | 1): PlannedTensor => {
    const shape = (way === 0 ? toGguf : toHf)(context.shapeOf(name), context.config);
    const map = maps?.[way];
    return stored(name, context, map === undefined ? {} : { map }, shape);
  };
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([names], context) => [plan(names?.[0] ?? "", context, 0)],
    toHf: ([name = ""], context) => [[plan(name, context, 1)]],
  };
}

/**
 * The shape `[channels, width]` of a convolution that is stored as `[channels, 1, width]`, or by mlx-lm as
 * `[channels, width, 1]`: the same numbers in the same order.
 */
export function convolutionShape(shape: readonly number[]): readonly number[] {
  const [channels = 1, ...rest] = shape;
  return [channels, elementCount(rest)];
}

/** A convolution's `[channels, 1, width]`, kept as `[channels, width]`. */
export function squeezed(hf: string, gguf: string): TensorRule {
  return reshaped(hf, gguf, convolutionShape, ([channels = 1, width = 1]) => [channels, 1, width]);
}

/** Number of routed experts, under any family's name for it; null counts as missing. */
export function routedExperts(config: Config): number {
  const name = ["num_local_experts", "num_experts", "n_routed_experts"].find(
    (key) => typeof config.get(key) === "number",
  );
  return config.need(name ?? "num_experts");
}

/** Separate experts stacked on a new first axis in index order. Written in the given order. */
export function stackedExperts(
  pairs: readonly (readonly [hf: string, gguf: string])[],
  expertCount: (config: Config, part: number) => number = routedExperts,
): TensorRule {
  return {
    hf: pairs.map(([hf]) => hf),
    gguf: pairs.map(([, gguf]) => gguf),
    plain: true,
    expertCount,
    toGguf: (parts, context) =>
      parts.map((names) => ({
        shape: [names.length, ...context.shapeOf(names[0] ?? "")],
        inputs: names.map((tensor) => ({ tensor })),
      })),
    toHf: (parts, context) =>
      parts.map((tensor) => {
        const [experts = 0, ...shape] = context.shapeOf(tensor);
        const rows = elementCount(shape.slice(0, -1));
        return Array.from({ length: experts }, (_, expert) => ({
          shape,
          inputs: [{ tensor, rows: [expert * rows, (expert + 1) * rows] as const }],
        }));
      }),
  };
}

/** A copy of the embedding under the head's name. */
export const tiedHead: LeftOutRule = {
  pattern: /^lm_head\.weight$/,
  reason: "the head is the embedding; a copy of it is not written",
  when: (config) => config.flag("tie_word_embeddings") === true,
};

/** Names of a base model, which stand without the prefix that they have in a model with a head. */
export const baseModelNames = {
  toRules: (name: string): string => name,
  fromRules: (name: string): string => name.replace(/^model\./, ""),
};

/** The tensors around the layers that nearly all decoders share. */
export const decoderEnds: readonly TensorRule[] = [
  same("model.embed_tokens.weight", "token_embd.weight"),
  same("model.norm.*", "output_norm.*"),
  same("lm_head.*", "output.*"),
];

export const gatedFeedForward: readonly TensorRule[] = [
  same("model.layers.{layer}.mlp.gate_proj.*", "blk.{layer}.ffn_gate.*"),
  same("model.layers.{layer}.mlp.up_proj.*", "blk.{layer}.ffn_up.*"),
  same("model.layers.{layer}.mlp.down_proj.*", "blk.{layer}.ffn_down.*"),
];

/** A feed-forward without a gate. */
export const plainFeedForward: readonly TensorRule[] = gatedFeedForward.slice(1);

/** q, k, v and output projections; `rotated` for the families whose q and k rows GGUF stores interleaved. */
export function attention(rotated: boolean): readonly TensorRule[] {
  const q = ["model.layers.{layer}.self_attn.q_proj.*", "blk.{layer}.attn_q.*"] as const;
  const k = ["model.layers.{layer}.self_attn.k_proj.*", "blk.{layer}.attn_k.*"] as const;
  return [
    rotated ? rotary(...q, queryHeads) : same(...q),
    rotated ? rotary(...k, keyHeads) : same(...k),
    same("model.layers.{layer}.self_attn.v_proj.*", "blk.{layer}.attn_v.*"),
    same("model.layers.{layer}.self_attn.o_proj.*", "blk.{layer}.attn_output.*"),
  ];
}

/** Norms over the heads of q and k. */
export const headNorms: readonly TensorRule[] = [
  same("model.layers.{layer}.self_attn.q_norm.weight", "blk.{layer}.attn_q_norm.weight"),
  same("model.layers.{layer}.self_attn.k_norm.weight", "blk.{layer}.attn_k_norm.weight"),
];

/** The two norms of a pre-norm layer. */
export const layerNorms: readonly TensorRule[] = [
  same("model.layers.{layer}.input_layernorm.*", "blk.{layer}.attn_norm.*"),
  same("model.layers.{layer}.post_attention_layernorm.*", "blk.{layer}.ffn_norm.*"),
];

/** Down, gate, up: the order in which llama.cpp's converter writes most families' experts. */
export function separateExperts(prefix: string): TensorRule {
  return stackedExperts([
    [`${prefix}.{expert}.down_proj.weight`, "blk.{layer}.ffn_down_exps.weight"],
    [`${prefix}.{expert}.gate_proj.weight`, "blk.{layer}.ffn_gate_exps.weight"],
    [`${prefix}.{expert}.up_proj.weight`, "blk.{layer}.ffn_up_exps.weight"],
  ]);
}

/** One tensor `[E, out, in]` for each projection, as mlx-lm stores experts that the family's checkpoints fuse. */
export function stackedProjections(prefix: string, suffix: ".weight" | ".*"): readonly TensorRule[] {
  return ["gate", "up", "down"].map((part) =>
    same(`${prefix}.${part}_proj${suffix}`, `blk.{layer}.ffn_${part}_exps${suffix}`),
  );
}

export function sharedExpert(prefix: string): readonly TensorRule[] {
  return [
    same(`${prefix}.gate_proj.weight`, "blk.{layer}.ffn_gate_shexp.weight"),
    same(`${prefix}.up_proj.weight`, "blk.{layer}.ffn_up_shexp.weight"),
    same(`${prefix}.down_proj.weight`, "blk.{layer}.ffn_down_shexp.weight"),
  ];
}

export const router: TensorRule = same(
  "model.layers.{layer}.mlp.gate.weight",
  "blk.{layer}.ffn_gate_inp.weight",
);

/** GGUF names that stay F32 although they are matrices (llama.cpp, conversion/base.py). */
const alwaysF32 = [
  "ffn_gate_inp",
  "ffn_gate_inp_shexp",
  "position_embd",
  "token_types",
  "ssm_conv1d",
  "ssm_conv1d_q",
  "ssm_conv1d_k",
  "ssm_conv1d_v",
  "shortconv.conv",
  "altup_correct_coef",
  "altup_predict_coef",
  "time_mix_first",
  "time_mix_w1",
  "time_mix_w2",
  "time_mix_decay_w1",
  "time_mix_decay_w2",
  "time_mix_lerp_fused",
  "posnet_norm1",
  "posnet_norm2",
  "v_enc_embd_pos",
  "a_enc_embd_pos",
  "indexer.proj",
];

/** Whether llama.cpp's converter keeps a tensor in F32 whatever the output type. */
export function staysF32(ggufName: string, dimensionCount: number): boolean {
  if (dimensionCount <= 1 || ggufName.endsWith("_norm.weight") || !ggufName.endsWith(".weight")) return true;
  const module = ggufName.replace(/^blk\.\d+\./, "").replace(/\.weight$/, "");
  return alwaysF32.includes(module);
}
