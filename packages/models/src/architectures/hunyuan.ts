/**
 * Hunyuan, dense and with experts (llama.cpp, conversion/hunyuan.py). The rope scaling of its configs, "dynamic" with alpha,
 * is another base of the rotation.
 */
import type { Config } from "../config.ts";
import { isJsonArray, numberField, textField } from "../json.ts";
import { f32, numberOf, string, stringOf, u32 } from "../metadata-values.ts";
import { byteKinds } from "../tokenizer/extras.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { sharedExpertLength } from "./expert-parameters.ts";
import { derived, generic, textParameters } from "./parameters.ts";
import {
  attention,
  decoderEnds,
  gatedFeedForward,
  layerNorms,
  same,
  separateExperts,
  sharedExpert,
  tiedHead,
} from "./tensors.ts";

/** What the converter takes for the context of a model with dynamic scaling, whose config says too little. */
const dynamicContext = 256 * 1024;

/** The exponent of alpha in the base. */
const exponent = (length: number): number => length / (length - 2);

interface Scaling {
  readonly base: number;
  readonly isDynamic: boolean;
}

/** undefined for a model without this scaling. */
function scalingOf(config: Config, alphaDefault: number, length: number): Scaling | undefined {
  const rope = config.rope();
  const type = textField(rope, "rope_type");
  if (type !== "dynamic" && type !== "xdrope") return undefined;
  const alpha = numberField(rope, "alpha") ?? alphaDefault;
  const base = (numberField(rope, "rope_theta") ?? 10000) * alpha ** exponent(length);
  return { base, isDynamic: type === "dynamic" };
}

/** The keys of a scaled rotation, in place of those of other models and after them. */
function scalingRules(scaling: (config: Config) => Scaling | undefined): readonly ParameterRule[] {
  const whenScaled = (key: string, value: (own: Scaling) => ReturnType<ParameterRule["toGguf"]>) =>
    derived(key, (config) => {
      const own = scaling(config);
      return own === undefined ? undefined : value(own);
    });
  const dynamicOnly = ({ isDynamic }: Scaling) => (isDynamic ? u32(dynamicContext) : undefined);
  return [
    whenScaled("~.rope.freq_base", ({ base }) => f32(base)),
    whenScaled("~.rope.scaling.type", () => string("none")),
    whenScaled("~.rope.scaling.factor", () => f32(1)),
    whenScaled("~.rope.scaling.original_context_length", dynamicOnly),
    whenScaled("~.context_length", dynamicOnly),
  ];
}

/** The shortest decimal alpha that leads to the stored base. */
function alphaOf(base: number, length: number): number {
  const alpha = (base / 10000) ** (1 / exponent(length));
  for (let digits = 1; digits < 9; digits++) {
    const candidate = Number(alpha.toPrecision(digits));
    if (Math.fround(10000 * candidate ** exponent(length)) === base) return candidate;
  }
  return alpha;
}

/** Puts the scaling back, with the settings of the published models where a GGUF says nothing. */
function restoreScaling(draft: ConfigDraft, length: number): void {
  const { values, parameter } = draft;
  if (stringOf(parameter("~.rope.scaling.type")) !== "none") return;
  const alpha = alphaOf(numberOf(parameter("~.rope.freq_base")) ?? 10000, length);
  const published = { beta_fast: 32, beta_slow: 1, mscale: 1, mscale_all_dim: 0 };
  values.set("rope_parameters", {
    rope_theta: 10000,
    rope_type: "dynamic",
    alpha,
    factor: 1,
    ...published,
  });
  for (const [key, value] of Object.entries(published))
    draft.assume(
      `rope_scaling.${key}`,
      value,
      "a GGUF does not hold it; the dynamic scaling does not use it",
    );
  draft.assume(
    "max_position_embeddings",
    values.get("max_position_embeddings") ?? dynamicContext,
    "llama.cpp's converter writes it for every model with dynamic scaling",
  );
}

const sharedTensors: readonly TensorRule[] = [
  ...decoderEnds,
  ...layerNorms,
  ...attention(false),
  same("model.layers.{layer}.self_attn.query_layernorm.weight", "blk.{layer}.attn_q_norm.weight"),
  same("model.layers.{layer}.self_attn.key_layernorm.weight", "blk.{layer}.attn_k_norm.weight"),
];

export const hunyuanDense: Architecture = {
  name: "hunyuan-dense",
  classes: ["HunYuanDenseV1ForCausalLM"],
  modelType: "hunyuan_v1_dense",
  ropeTypeKey: "type",
  defaults: {
    attention_bias: false,
    bos_token_id: 1,
    eod_token_id: 3,
    eos_token_id: 2,
    head_dim: null,
    hidden_act: "silu",
    hidden_size: 4096,
    intermediate_size: 11008,
    max_position_embeddings: 2048,
    num_attention_heads: 32,
    num_hidden_layers: 32,
    num_key_value_heads: 32,
    pad_token_id: 0,
    rms_norm_eps: 1e-5,
    rope_parameters: { rope_theta: 10000, rope_type: "default" },
    tie_word_embeddings: false,
    vocab_size: 290943,
  },
  parameters: [
    // a config with num_experts 1 is of a dense model, too
    ...textParameters.filter((rule) => rule !== generic.expertCount),
    ...scalingRules((config) => scalingOf(config, 50, config.headLength)),
  ],
  tensors: [...sharedTensors, ...gatedFeedForward],
  leftOut: [tiedHead],
  tokenizer: {
    kinds: byteKinds,
    listsEnds: true,
    after: [
      ({ config, files }) => {
        const end = config.count("eod_token_id");
        const ends = files.generationConfig?.["eos_token_id"];
        const [turn, second] = ends !== undefined && isJsonArray(ends) ? ends : [];
        return [
          ...(end === undefined ? [] : [["tokenizer.ggml.eos_token_id", u32(end)] as const]),
          ...(typeof turn === "number" && second !== undefined
            ? [["tokenizer.ggml.eot_token_id", u32(turn)] as const]
            : []),
        ];
      },
    ],
  },
  finishConfig(draft) {
    const { values, ggufNames, metadata } = draft;
    const end = numberOf(metadata.get("tokenizer.ggml.eos_token_id"));
    if (end !== undefined) values.set("eod_token_id", end);
    values.delete("eot_token_id");
    values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("use_qk_norm", ggufNames.has("blk.0.attn_q_norm.weight"));
    restoreScaling(draft, numberOf(draft.parameter("~.attention.key_length")) ?? 128);
  },
};

/** The first of a list with a number for each layer, or the number for all. */
function perLayer(config: Config, name: string): number {
  const value = config.get(name);
  const first = value !== undefined && isJsonArray(value) ? value[0] : value;
  return typeof first === "number" ? first : config.need(name);
}

function perLayerRule(key: string, name: string): ParameterRule {
  return derived(
    key,
    (config) => u32(perLayer(config, name)),
    (value, draft) => {
      const layers = numberOf(draft.parameter("~.block_count")) ?? 0;
      draft.values.set(name, new Array<number>(layers).fill(numberOf(value) ?? 0));
    },
  );
}

export const hunyuanMoe: Architecture = {
  name: "hunyuan-moe",
  classes: ["HunYuanMoEV1ForCausalLM"],
  modelType: "hunyuan",
  ropeTypeKey: "type",
  // transformers reads hunyuan_v1_moe; the published configs say hunyuan
  defaults: {},
  parameters: [
    ...textParameters,
    sharedExpertLength("intermediate_size"),
    perLayerRule("~.expert_feed_forward_length", "moe_intermediate_size"),
    perLayerRule("~.expert_used_count", "moe_topk"),
    perLayerRule("~.expert_shared_count", "num_shared_expert"),
    ...scalingRules((config) =>
      scalingOf(config, 1000, Math.floor(config.need("hidden_size") / config.need("num_attention_heads"))),
    ),
  ],
  tensors: [
    ...sharedTensors,
    separateExperts("model.layers.{layer}.mlp.experts"),
    same("model.layers.{layer}.mlp.gate.wg.weight", "blk.{layer}.ffn_gate_inp.weight"),
    ...sharedExpert("model.layers.{layer}.mlp.shared_mlp"),
  ],
  leftOut: [tiedHead],
  tokenizer: {
    kinds: ["hunyuan", ...byteKinds],
    // the id in the vocabulary of Hunyuan-A13B, whatever the vocabulary
    after: [() => [["tokenizer.ggml.bos_token_id", u32(127959)]]],
  },
  finishConfig(draft) {
    const { values, ggufNames, metadata, parameter } = draft;
    values.delete("num_experts_per_tok");
    values.set("num_experts", numberOf(parameter("~.expert_count")) ?? null);
    values.delete("num_local_experts");
    values.set("bos_token_id", numberOf(metadata.get("tokenizer.ggml.bos_token_id")) ?? null);
    values.set("use_mixed_mlp_moe", ggufNames.has("blk.0.ffn_up_shexp.weight"));
    values.set("use_qk_norm", ggufNames.has("blk.0.attn_q_norm.weight"));
    values.set("use_cla", false);
    values.set("hidden_act", "silu");
    values.set("norm_topk_prob", true);
    values.set("attention_bias", ggufNames.has("blk.0.attn_q.bias"));
    values.set("mlp_bias", false);
    const heads = numberOf(parameter("~.attention.head_count")) ?? 1;
    const length = Math.floor((numberOf(parameter("~.embedding_length")) ?? 0) / heads);
    values.set("attention_head_dim", numberOf(parameter("~.attention.key_length")) ?? length);
    restoreScaling(draft, length);
  },
};
