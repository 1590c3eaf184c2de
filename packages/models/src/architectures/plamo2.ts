/** PLaMo 2: Mamba and attention in turn, norms stored as differences to one and to fractions (llama.cpp, conversion/plamo.py). */
import type { Config } from "../config.ts";
import { f32, numberArray, numberOf, numbersOf, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, ParameterRule, TensorRule } from "./architecture.ts";
import { count, derived, fixed, generic, real } from "./parameters.ts";
import { stateMap } from "./state-space.ts";
import { arithmetic, same, squeezed } from "./tensors.ts";

export const plamoLayer = "model.layers.layers.{layer}";
const mixer = `${plamoLayer}.mixer`;

/** Every so many layers one has attention: the one in the middle, or the last of few. */
function isMamba(index: number, config: Config): boolean {
  const layers = config.need("num_hidden_layers");
  const step = config.count("mamba_step") || 2;
  const middle = Math.floor(step / 2);
  return layers <= middle ? index !== layers - 1 : index % step !== middle;
}

/** A count of heads in layers with attention, 0 in others. */
function headRule(key: string, name: string, fallback: number): ParameterRule {
  return derived(
    key,
    (config) => {
      if (config.flag("mamba_enabled") === false) return undefined;
      const heads = config.count(name) ?? fallback;
      return numberArray(
        "i32",
        Array.from({ length: config.need("num_hidden_layers") }, (_, index) =>
          isMamba(index, config) ? 0 : heads,
        ),
      );
    },
    (value, draft) => draft.values.set(name, numbersOf(value)?.find((heads) => heads !== 0) ?? fallback),
  );
}

/** A norm without its weight's ending, which llama.cpp's names of this family lack. */
export function shifted(hf: string, gguf: string, by: number): TensorRule {
  return arithmetic(hf, gguf, { add: by }, { add: -by });
}

/** The distance between two layers with attention. */
function stepOf(heads: readonly number[]): number {
  const own = heads.flatMap((count, index) => (count === 0 ? [] : [index]));
  const [first = 0, second] = own;
  return second === undefined ? Math.max(2 * first, 2) : second - first;
}

function finish(draft: ConfigDraft): void {
  const { values, parameter } = draft;
  const heads = numbersOf(parameter("~.attention.head_count"));
  values.set("mamba_enabled", heads !== undefined);
  if (heads !== undefined) values.set("mamba_step", stepOf(heads));
  const theta = numberOf(parameter("~.rope.freq_base")) ?? 10000;
  if (theta !== 10000) values.set("rope_theta", theta);
  const unstored = {
    attention_window_size: 2048,
    full_attention_idx: [],
    linear_type: "normal",
    mamba_chunk_size: 256,
  };
  for (const [key, value] of Object.entries(unstored)) {
    values.set(key, value);
    draft.assume(key, value, "a GGUF does not hold it; that of the published models is taken");
  }
}

export const plamoEnds: readonly TensorRule[] = [
  same("model.embed_tokens.weight", "token_embd.weight"),
  same("lm_head.weight", "output.weight"),
  shifted("model.norm.weight", "output_norm.weight", 1),
];

/** The four norms of a layer, and its feed-forward. */
export const plamoNorms: readonly TensorRule[] = [
  shifted(`${plamoLayer}.pre_mixer_norm.weight`, "blk.{layer}.attn_norm.weight", 1),
  shifted(`${plamoLayer}.post_mixer_norm.weight`, "blk.{layer}.post_attention_norm", 1 / 5),
  shifted(`${plamoLayer}.pre_mlp_norm.weight`, "blk.{layer}.ffn_norm.weight", 1),
  shifted(`${plamoLayer}.post_mlp_norm.weight`, "blk.{layer}.post_ffw_norm", 1 / 5 ** 1.5),
  same(`${plamoLayer}.mlp.gate_up_proj.weight`, "blk.{layer}.ffn_up.weight"),
  same(`${plamoLayer}.mlp.down_proj.weight`, "blk.{layer}.ffn_down.weight"),
];

export const plamo2: Architecture = {
  name: "plamo2",
  memory: { states: "without key heads" },
  classes: ["Plamo2ForCausalLM", "PLaMo2ForCausalLM"],
  modelType: "plamo2",
  // transformers has no class for it
  defaults: {},
  hasRope: false,
  parameters: [
    generic.vocabularySize,
    headRule("~.attention.head_count_kv", "num_key_value_heads", 4),
    headRule("~.attention.head_count", "num_attention_heads", 32),
    generic.contextLength,
    generic.embeddingLength,
    count("~.attention.key_length", ["hidden_size_per_head"]),
    derived("~.attention.value_length", (config) => u32(config.need("hidden_size_per_head"))),
    generic.blockCount,
    real("~.attention.layer_norm_rms_epsilon", ["rms_norm_eps"]),
    derived("~.rope.freq_base", (config) => f32(config.number("rope_theta") ?? 10000)),
    count("~.ssm.state_size", ["mamba_d_state"]),
    count("~.ssm.conv_kernel", ["mamba_d_conv"]),
    count("~.ssm.time_step_rank", ["mamba_num_heads"]),
    derived("~.ssm.inner_size", (config) =>
      u32(config.need("mamba_num_heads") * config.need("hidden_size_per_head")),
    ),
    fixed("~.ssm.group_count", u32(0)),
    generic.feedForwardLength,
    generic.fileType,
  ],
  tensors: [
    ...plamoEnds,
    ...plamoNorms,
    same(`${mixer}.qkv_proj.weight`, "blk.{layer}.attn_qkv.weight"),
    same(`${mixer}.o_proj.weight`, "blk.{layer}.attn_output.weight"),
    same(`${mixer}.q_weight`, "blk.{layer}.attn_q_norm.weight"),
    same(`${mixer}.k_weight`, "blk.{layer}.attn_k_norm.weight"),
    same(`${mixer}.in_proj.weight`, "blk.{layer}.ssm_in.weight"),
    same(`${mixer}.out_proj.weight`, "blk.{layer}.ssm_out.weight"),
    same(`${mixer}.bcdt_proj.weight`, "blk.{layer}.ssm_x.weight"),
    same(`${mixer}.dt_proj.weight`, "blk.{layer}.ssm_dt.weight"),
    same(`${mixer}.dt_bias`, "blk.{layer}.ssm_dt.bias"),
    squeezed(`${mixer}.conv1d.weight`, "blk.{layer}.ssm_conv1d.weight"),
    arithmetic(`${mixer}.A_log`, "blk.{layer}.ssm_a", ...stateMap),
    same(`${mixer}.D`, "blk.{layer}.ssm_d"),
    same(`${mixer}.dt_norm_weight`, "blk.{layer}.ssm_dt_norm"),
    same(`${mixer}.B_norm_weight`, "blk.{layer}.ssm_b_norm"),
    same(`${mixer}.C_norm_weight`, "blk.{layer}.ssm_c_norm"),
  ],
  tokenizer: { kinds: ["plamo"] },
  finishConfig: finish,
};
