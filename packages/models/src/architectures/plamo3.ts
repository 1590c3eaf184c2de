/** PLaMo 3: attention with windows in most layers, and PLaMo 2's norms and vocabulary (llama.cpp, conversion/plamo.py). */
import { isJsonArray } from "../json.ts";
import { boolArray, boolsOf, numberOf, shortestFloat, u32 } from "../metadata-values.ts";
import type { Architecture, ConfigDraft, ParameterRule } from "./architecture.ts";
import { count, derived, generic, textParameters } from "./parameters.ts";
import { plamoEnds, plamoLayer, plamoNorms, shifted } from "./plamo2.ts";
import { same } from "./tensors.ts";

const mixer = `${plamoLayer}.mixer`;

/** Which layers have a window: every so many are without one, or a list. */
const pattern: ParameterRule = derived(
  "~.attention.sliding_window_pattern",
  (config) => {
    const own = config.get("sliding_window_pattern");
    if (config.count("window_size", "sliding_window") === undefined) return undefined;
    if (own !== undefined && isJsonArray(own)) return boolArray(own.map((slides) => slides === true));
    return u32(config.need("sliding_window_pattern"));
  },
  (value, draft) => draft.values.set("sliding_window_pattern", boolsOf(value) ?? numberOf(value) ?? null),
);

function finish({ values, parameter }: ConfigDraft): void {
  values.delete("rope_parameters");
  const bases = [
    ["rope_theta", "~.rope.freq_base"],
    ["rope_local_theta", "~.rope.freq_base_swa"],
  ] as const;
  for (const [name, key] of bases) {
    const base = numberOf(parameter(key));
    if (base !== undefined) values.set(name, shortestFloat(base));
  }
  values.set("sliding_window", numberOf(parameter("~.attention.sliding_window")) ?? null);
}

export const plamo3: Architecture = {
  name: "plamo3",
  memory: { windows: { period: 8 } },
  classes: ["Plamo3ForCausalLM", "PLaMo3ForCausalLM"],
  modelType: "plamo3",
  // transformers has no class for it
  defaults: {},
  derive: [
    (values) => {
      const [all, local] = [values.get("rope_theta"), values.get("rope_local_theta")];
      values.set("rope_parameters", {
        ...(typeof all === "number" ? { full_attention: { rope_theta: all } } : {}),
        ...(typeof local === "number" ? { sliding_attention: { rope_theta: local } } : {}),
      });
    },
  ],
  realNames: ["rope_local_theta"],
  parameters: [
    ...textParameters,
    generic.vocabularySize,
    count("~.attention.sliding_window", ["window_size", "sliding_window"]),
    pattern,
  ],
  tensors: [
    ...plamoEnds,
    ...plamoNorms,
    shifted(`${mixer}.q_norm.weight`, "blk.{layer}.attn_q_norm.weight", 1),
    shifted(`${mixer}.k_norm.weight`, "blk.{layer}.attn_k_norm.weight", 1),
    same(`${mixer}.qkv_proj.weight`, "blk.{layer}.attn_qkv.weight"),
    same(`${mixer}.o_proj.weight`, "blk.{layer}.attn_output.weight"),
  ],
  tokenizer: { kinds: ["plamo"] },
  finishConfig: finish,
};
