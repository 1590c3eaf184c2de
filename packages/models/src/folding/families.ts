/**
 * What may be divided by a scale per channel in each family, and who reads it and must be multiplied: by GGUF's names of
 * modules. Sources: the graphs of llama.cpp (src/models) and AutoAWQ (awq/models, `get_layers_for_scaling`), which leaves out
 * value heads under grouped-query attention and, in mixtures of experts, the router that also reads the norm.
 */

/** Which numbers of a module are divided. */
export type DividedPart =
  /** All: a norm's weight and bias. */
  | "norm"
  /** All rows. */
  | "rows"
  /** The second half of the rows: the values of a fused gate and up. */
  | "second-half"
  /** The rows of the value heads, the last ones of a fused q, k, v or all of attn_v. Query heads may share them. */
  | "values";

/** One place where a scale can be folded in. */
export interface FoldRule {
  readonly divided: string;
  readonly part: DividedPart;
  /** All modules that read the divided numbers; a layer may lack some. */
  readonly readers: readonly string[];
}

const attention = ["attn_q", "attn_k", "attn_v", "attn_qkv"];
const feedForward = [
  "ffn_gate",
  "ffn_up",
  "ffn_gate_inp",
  "ffn_gate_exps",
  "ffn_up_exps",
  "ffn_gate_inp_shexp",
  "ffn_gate_shexp",
  "ffn_up_shexp",
];

const norm = (divided: string, readers: readonly string[]): FoldRule => ({ divided, part: "norm", readers });

const twoNorms = [norm("attn_norm", attention), norm("ffn_norm", feedForward)];
/** Attention and feed-forward side by side behind one norm. */
const oneNorm = [norm("attn_norm", [...attention, ...feedForward])];

const values: FoldRule = { divided: "attn_v", part: "values", readers: ["attn_output"] };
const fusedValues: FoldRule = { divided: "attn_qkv", part: "values", readers: ["attn_output"] };

/** The activation is that of the gate, so what `up` makes passes linearly. */
const gatedUp: readonly FoldRule[] = ["", "_exps", "_shexp"].map((kind) => ({
  divided: `ffn_up${kind}`,
  part: "rows",
  readers: [`ffn_down${kind}`],
}));
const fusedUp: FoldRule = { divided: "ffn_up", part: "second-half", readers: ["ffn_down"] };

const gated = [...twoNorms, values, ...gatedUp];
const parallelGated = [...oneNorm, values, ...gatedUp];
/** Norms stand after attention and feed-forward: what they read has no norm of its own. */
const normsBehind = [values, ...gatedUp];

/** By `general.architecture`. */
const families: Readonly<Record<string, readonly FoldRule[]>> = {
  llama: gated,
  mistral3: gated,
  qwen: [...twoNorms, fusedValues, ...gatedUp],
  qwen2: gated,
  qwen3: gated,
  qwen2moe: gated,
  qwen3moe: gated,
  gemma: gated,
  gemma2: gated,
  gemma3: gated,
  granite: gated,
  granitemoe: gated,
  smollm3: gated,
  ernie4_5: gated,
  internlm2: gated,
  baichuan: gated,
  stablelm: gated,
  phi3: [...twoNorms, fusedValues, fusedUp],
  glm4: [...twoNorms, values, fusedUp],
  cohere2: parallelGated,
  phi2: [...oneNorm, values],
  gpt2: [...twoNorms, fusedValues],
  gptneox: [...twoNorms, fusedValues],
  starcoder2: [...twoNorms, values],
  olmo2: normsBehind,
  exaone4: normsBehind,
};

/** Modules of a layer that read no divided numbers but those of the rules that name them. */
const others = new Set([
  ...attention,
  ...feedForward,
  "attn_output",
  "attn_q_norm",
  "attn_k_norm",
  "ffn_down",
  "ffn_down_exps",
  "ffn_down_shexp",
  "post_attention_norm",
  "post_ffw_norm",
]);

/** Families that are listed. */
export const foldableFamilies: readonly string[] = Object.keys(families);

/**
 * The rules of a layer with these modules; undefined where the family is not listed, or the layer has a module that is not known
 * there, which might read what would be divided.
 */
export function foldRules(
  architecture: string,
  modules: ReadonlySet<string>,
): readonly FoldRule[] | undefined {
  // without a second norm, both halves of a StableLM layer read the first (llama.cpp, src/models/stablelm.cpp)
  const parallel = architecture === "stablelm" && !modules.has("ffn_norm");
  const rules = parallel
    ? parallelGated
    : Object.hasOwn(families, architecture)
      ? families[architecture]
      : undefined;
  if (rules === undefined) return undefined;
  const known = new Set(rules.flatMap(({ divided, readers }) => [divided, ...readers]));
  for (const name of modules) if (!known.has(name) && !others.has(name)) return undefined;
  return rules;
}
