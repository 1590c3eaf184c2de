/** Gemma 3n's text model: AltUp, LAuReL, embeddings for each layer, sparse activations (llama.cpp, conversion/gemma.py `Gemma3NModel`, models/gemma3n.cpp). */
import type { Config } from "../config.ts";
import { numberArray, numberOf, numbersOf } from "../metadata-values.ts";
import { normalPart, normalQuantile } from "../normal-distribution.ts";
import type { WeightInput } from "../weight-plan.ts";
import type { Architecture, ConfigDraft, ParameterRule, PlannedTensor, TensorRule } from "./architecture.ts";
import { gemma3, splitRope } from "./gemma.ts";
import { count, derived, generic, slidingPattern, textParameters } from "./parameters.ts";
import { attention, decoderEnds, gatedFeedForward, headNorms, same, stackedExperts } from "./tensors.ts";

const layer = "model.layers.{layer}";

/** One number for all layers, or one for each. */
function perLayer(config: Config, key: string): readonly number[] {
  const value = config.get(key);
  const numbers = Array.isArray(value) ? value : [];
  return numbers.map((one) => (typeof one === "number" ? one : 0));
}

const feedForwardLength: ParameterRule = derived(
  "~.feed_forward_length",
  (config) => numberArray("i32", perLayer(config, "intermediate_size")),
  (value, draft) => draft.values.set("intermediate_size", [...(numbersOf(value) ?? [])]),
);

/** A part of the activations becomes zero: those below this multiple of their spread. */
const sparsity: ParameterRule = derived(
  "~.activation_sparsity_scale",
  (config) => numberArray("f32", perLayer(config, "activation_sparsity_pattern").map(normalQuantile)),
  (value, draft) => {
    // five digits: more than a published setting has, fewer than the quantile leaves uncertain
    const parts = (numbersOf(value) ?? []).map((scale) => Number(normalPart(scale).toPrecision(5)));
    draft.values.set("activation_sparsity_pattern", parts);
  },
);

const altUpInputs = (config: Config): number => config.need("altup_num_inputs") - 1;

/** An embedding, with rows of zeros for the tokens of images and sounds, which it lacks. */
function padded(hf: string, gguf: string): TensorRule {
  const plan = (name: string, rows: number, shape: readonly number[]): PlannedTensor => {
    const [stored = 0, length = 1] = shape;
    const zeros: readonly WeightInput[] = rows > stored ? [{ zeros: (rows - stored) * length }] : [];
    return { shape: [Math.max(rows, stored), length], inputs: [{ tensor: name }, ...zeros] };
  };
  return {
    hf: [hf],
    gguf: [gguf],
    toGguf: ([[name = ""] = []], { config, shapeOf }) => [
      plan(name, config.need("vocab_size"), shapeOf(name)),
    ],
    toHf: ([name = ""], { shapeOf }) => [[{ shape: shapeOf(name), inputs: [{ tensor: name }] }]],
  };
}

function finish(draft: ConfigDraft): void {
  splitRope(draft);
  const { values } = draft;
  values.set("laurel_rank", draft.shapeOf("blk.0.laurel_l.weight")?.[0] ?? 64);
  values.set("vocab_size", draft.shapeOf("token_embd.weight")?.[0] ?? 0);
  values.set("vocab_size_per_layer_input", draft.shapeOf("per_layer_token_embd.weight")?.[0] ?? 0);
  values.set("altup_num_inputs", numberOf(draft.parameter("~.altup.num_inputs")) ?? 4);
}

export const gemma3n: Architecture = {
  ...gemma3,
  decoder: undefined,
  name: "gemma3n",
  memory: { windows: { period: 5 }, ownCaches: () => 20 },
  classes: ["Gemma3nForCausalLM", "Gemma3nForConditionalGeneration"],
  modelType: "gemma3n_text",
  defaults: {
    activation_sparsity_pattern: null,
    altup_active_idx: 0,
    altup_coef_clip: 120,
    altup_correct_scale: true,
    altup_num_inputs: 4,
    attention_bias: false,
    bos_token_id: 2,
    eos_token_id: 1,
    final_logit_softcapping: 30,
    head_dim: 256,
    hidden_activation: "gelu_pytorch_tanh",
    hidden_size: 2048,
    hidden_size_per_layer_input: 256,
    intermediate_size: 16384,
    laurel_rank: 64,
    max_position_embeddings: 32768,
    num_attention_heads: 8,
    num_hidden_layers: 35,
    num_key_value_heads: 2,
    num_kv_shared_layers: 15,
    pad_token_id: 0,
    rms_norm_eps: 1e-6,
    rope_parameters: {
      sliding_attention: { rope_type: "default", rope_theta: 10000 },
      full_attention: { rope_type: "default", rope_theta: 1000000 },
    },
    sliding_window: 512,
    tie_word_embeddings: true,
    vocab_size: 262400,
    vocab_size_per_layer_input: 262144,
  },
  derive: [
    ...(gemma3.derive ?? []),
    (values) => {
      const layers = Number(values.get("num_hidden_layers"));
      const width = values.get("intermediate_size");
      if (typeof width === "number") values.set("intermediate_size", new Array<number>(layers).fill(width));
      if (!Array.isArray(values.get("activation_sparsity_pattern"))) {
        const sparse = layers > 10 ? 10 : 0;
        const parts = Array.from({ length: layers }, (_, index) => (index < sparse ? 0.95 : 0));
        values.set("activation_sparsity_pattern", parts);
      }
      // the vocabulary is that of the whole model
      values.delete("vocab_size_per_layer_input");
    },
  ],
  parameters: [
    ...textParameters.map((rule) => (rule === generic.feedForwardLength ? feedForwardLength : rule)),
    ...gemma3.parameters.slice(textParameters.length),
    count("~.altup.active_idx", ["altup_active_idx"]),
    count("~.altup.num_inputs", ["altup_num_inputs"]),
    count("~.embedding_length_per_layer_input", ["hidden_size_per_layer_input"]),
    count("~.attention.shared_kv_layers", ["num_kv_shared_layers"]),
    sparsity,
    slidingPattern((index) => (index + 1) % 5 !== 0),
  ],
  tensors: [
    stackedExperts([["model.altup_projections.{expert}.weight", "altup_proj.weight"]], altUpInputs),
    stackedExperts(
      [["model.altup_unembed_projections.{expert}.weight", "altup_unembd_proj.weight"]],
      altUpInputs,
    ),
    padded("model.embed_tokens.weight", "token_embd.weight"),
    padded("model.embed_tokens_per_layer.weight", "per_layer_token_embd.weight"),
    ...decoderEnds.filter(({ hf: [name] }) => name !== "model.embed_tokens.weight"),
    same("model.per_layer_model_projection.weight", "per_layer_model_proj.weight"),
    same("model.per_layer_projection_norm.weight", "per_layer_proj_norm.weight"),
    same(`${layer}.altup.correct_output_scale`, "blk.{layer}.altup_correct_scale.weight"),
    same(`${layer}.altup.correction_coefs.weight`, "blk.{layer}.altup_correct_coef.weight"),
    same(`${layer}.altup.prediction_coefs.weight`, "blk.{layer}.altup_predict_coef.weight"),
    same(`${layer}.altup.modality_router.weight`, "blk.{layer}.altup_router.weight"),
    same(`${layer}.altup.router_norm.weight`, "blk.{layer}.altup_router_norm.weight"),
    same(`${layer}.laurel.linear_left.weight`, "blk.{layer}.laurel_l.weight"),
    same(`${layer}.laurel.linear_right.weight`, "blk.{layer}.laurel_r.weight"),
    same(`${layer}.laurel.post_laurel_norm.weight`, "blk.{layer}.laurel_post_norm.weight"),
    same(`${layer}.input_layernorm.weight`, "blk.{layer}.attn_norm.weight"),
    same(`${layer}.post_attention_layernorm.weight`, "blk.{layer}.post_attention_norm.weight"),
    same(`${layer}.pre_feedforward_layernorm.weight`, "blk.{layer}.ffn_norm.weight"),
    same(`${layer}.post_feedforward_layernorm.weight`, "blk.{layer}.post_ffw_norm.weight"),
    same(`${layer}.per_layer_input_gate.weight`, "blk.{layer}.inp_gate.weight"),
    same(`${layer}.per_layer_projection.weight`, "blk.{layer}.proj.weight"),
    same(`${layer}.post_per_layer_input_norm.weight`, "blk.{layer}.post_norm.weight"),
    ...attention(false),
    ...headNorms,
    ...gatedFeedForward,
  ],
  finishConfig: finish,
};
