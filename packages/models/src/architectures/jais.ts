/** Jais: GPT-2's names, a gate, ALiBi by stored slopes, scaled embedding and head (llama.cpp, conversion/jais.py and models/jais.cpp). */
import { ConversionError, roundHalfEven } from "@requant/core";
import type { Config } from "../config.ts";
import { f32, numberOf } from "../metadata-values.ts";
import { byteBpe } from "../tokenizer/extras.ts";
import type { Architecture, NamedValues, ParameterRule, TensorRule } from "./architecture.ts";
import { causalMask } from "./gpt2.ts";
import { count, generic } from "./parameters.ts";
import { mapped, same, transposed } from "./tensors.ts";

const layer = "transformer.h.{layer}";
const slopesName = "transformer.relative_pe.slopes";

/** The largest power of two that is not above the number of heads: a slope is 2 to the power of -bias / it x its number. */
const powerOfTwo = (heads: number): number => 2 ** Math.floor(Math.log2(heads));

/** Computed from the first slope, which must be positive. */
const largestBias: ParameterRule = {
  key: "~.attention.max_alibi_bias",
  toGguf(config, { values }) {
    const first = values?.get(slopesName)?.[0];
    if (first === undefined || !(first > 0)) {
      throw new ConversionError(`The first slope of ALiBi is ${first}; a positive number was expected.`, {
        tensor: slopesName,
        hint: "Check that all shards are there.",
      });
    }
    const bias = -roundHalfEven(Math.log2(first) * powerOfTwo(config.need("n_head")));
    return f32(bias);
  },
};

/** The slopes of all heads (Press et al., "Train Short, Test Long"): between two powers of two every second one of the next. */
function slopesOf(heads: number, bias: number): number[] {
  const near = powerOfTwo(heads);
  return Array.from({ length: heads }, (_, head) => {
    const [base, exponent] = head < near ? [near, head + 1] : [2 * near, 2 * (head - near) + 1];
    return Math.fround(2 ** ((-bias / base) * exponent));
  });
}

const embeddingScale = (config: Config): number =>
  config.number("mup_embeddings_scale", "embeddings_scale") ?? 1;

function headScale(config: Config): number {
  const alpha = config.number("mup_output_alpha");
  return alpha === undefined
    ? (config.number("width_scale") ?? 1)
    : alpha * (config.number("mup_width_scale") ?? 1);
}

function scaled(hf: string, gguf: string, scaleOf: (config: Config) => number): TensorRule {
  return mapped(
    hf,
    gguf,
    ({ config }) => (scaleOf(config) === 1 ? {} : { map: { multiply: [scaleOf(config)] } }),
    ({ config }) => (scaleOf(config) === 1 ? {} : { map: { divide: [scaleOf(config)] } }),
  );
}

export const jais: Architecture = {
  name: "jais",
  classes: ["JAISLMHeadModel"],
  modelType: "jais",
  hasRope: false,
  // transformers has no class for it, so config.json gets no defaults
  defaults: {},
  spellings: ["n_embd", "n_head", "n_inner", "n_layer", "n_positions", "layer_norm_epsilon"],
  earlyParameters: [largestBias],
  parameters: [
    count("~.block_count", ["n_layer"]),
    count("~.context_length", ["n_positions"]),
    count("~.embedding_length", ["n_embd"]),
    count("~.feed_forward_length", ["n_inner"]),
    count("~.attention.head_count", ["n_head"]),
    generic.normEpsilon,
    generic.fileType,
  ],
  tensors: [
    scaled("transformer.wte.weight", "token_embd.weight", embeddingScale),
    scaled("lm_head.weight", "output.weight", headScale),
    same("transformer.ln_f.*", "output_norm.*"),
    same(`${layer}.ln_1.*`, "blk.{layer}.attn_norm.*"),
    transposed(`${layer}.attn.c_attn.*`, "blk.{layer}.attn_qkv.*"),
    transposed(`${layer}.attn.c_proj.*`, "blk.{layer}.attn_output.*"),
    same(`${layer}.ln_2.*`, "blk.{layer}.ffn_norm.*"),
    transposed(`${layer}.mlp.c_fc.*`, "blk.{layer}.ffn_up.*"),
    transposed(`${layer}.mlp.c_fc2.*`, "blk.{layer}.ffn_gate.*"),
    transposed(`${layer}.mlp.c_proj.*`, "blk.{layer}.ffn_down.*"),
  ],
  leftOut: [causalMask],
  metadataTensors: {
    pattern: /(?:^|\.)relative_pe\.slopes$/,
    restore(metadata): readonly NamedValues[] {
      const heads = numberOf(metadata.get("jais.attention.head_count")) ?? 1;
      const bias = numberOf(metadata.get("jais.attention.max_alibi_bias")) ?? 8;
      return [{ name: slopesName, shape: [heads], values: slopesOf(heads, bias) }];
    },
  },
  tokenizer: byteBpe,
  finishConfig(draft) {
    const { values } = draft;
    values.set("activation_function", "swiglu");
    values.set("position_embedding_type", "alibi");
    for (const name of ["embeddings_scale", "width_scale"]) {
      values.set(name, 1);
      draft.assume(name, 1, "the scale is in the weights of the GGUF");
    }
    values.set("scale_qk_dot_by_d", true);
    draft.assume("scale_qk_dot_by_d", true, "a GGUF does not hold it; what llama.cpp computes with is taken");
    values.set("auto_map", {
      AutoConfig: "inceptionai/jais-13b-chat--configuration_jais.JAISConfig",
      AutoModelForCausalLM: "inceptionai/jais-13b-chat--modeling_jais.JAISLMHeadModel",
    });
  },
};
