import { fileTypes } from "./file-types.ts";

/**
 * llama-quantize's choice of a type for each tensor, as rows: the first row that fits wins, and where none fits the
 * tensor gets the target's base type. `raises` then apply, and `fallbacks` where a row's length does not fit the type.
 * Facts: llama.cpp, src/llama-quant.cpp; checked against llama-quantize --dry-run (test/recipes.test.ts).
 */

/** The role of a tensor, as far as the rules depend on it. */
export type Part =
  | "output"
  | "token_embd"
  | "attn_v"
  | "attn_k"
  | "attn_q"
  | "attn_output"
  | "ffn_up"
  | "ffn_gate"
  | "ffn_down"
  | "other";

export interface NamePattern {
  readonly equals?: readonly string[];
  readonly contains?: readonly string[];
}

/** The first matching pattern decides the part; "other" where none matches. */
export const parts: readonly (NamePattern & { readonly part: Part })[] = [
  { part: "output", equals: ["output.weight"] },
  { part: "token_embd", equals: ["token_embd.weight", "per_layer_token_embd.weight"] },
  // fused projections hold the values too, so they count and are treated as attn_v
  { part: "attn_v", contains: ["attn_qkv.weight", "attn_kv_b.weight", "attn_v.weight"] },
  { part: "attn_k", contains: ["attn_k.weight"] },
  { part: "attn_q", contains: ["attn_q.weight"] },
  { part: "attn_output", contains: ["attn_output.weight"] },
  { part: "ffn_up", contains: ["ffn_up"] },
  { part: "ffn_gate", contains: ["ffn_gate"] },
  { part: "ffn_down", contains: ["ffn_down"] },
];

/** Which layers, or which tensors of one part, a rule applies to: index `i` of `n`. */
export const layerRanges = {
  "first 2": (i) => i < 2,
  "first 4": (i) => i < 4,
  "first sixteenth": (i, n) => i < Math.floor(n / 16),
  "first eighth": (i, n) => i < Math.floor(n / 8),
  "middle three quarters": (i, n) => i >= Math.floor(n / 8) && i < Math.floor((7 * n) / 8),
  // both ends, and every third layer between them
  "more bits": (i, n) =>
    i < Math.floor(n / 8) || i >= Math.floor((7 * n) / 8) || (i - Math.floor(n / 8)) % 3 === 2,
} satisfies Record<string, (i: number, n: number) => boolean>;

export type LayerRange = keyof typeof layerRanges;

/** All conditions that are given must hold. */
export interface Condition {
  readonly falcon?: boolean;
  /** The 70-billion shape: 80 layers that share keys and values (see `is70B`). */
  readonly is70B?: boolean;
  /** Query heads per key-value head, at least. */
  readonly groupAtLeast?: number;
  readonly experts?: number;
  readonly expertsAtLeast?: number;
  readonly imatrix?: boolean;
  readonly layers?: LayerRange;
  /** Three dimensions: experts in one tensor. */
  readonly stacked?: boolean;
  /** The row length is a multiple of the base type's block. */
  readonly rowFits?: boolean;
  readonly architectureNot?: string;
}

export interface Rule {
  readonly part: Part | "any" | "ffn";
  readonly files: readonly string[];
  readonly when?: Condition;
  readonly type: string;
}

const all = fileTypes.map((type) => type.name);
/** Targets below three bits: their rules count tensors in place of reading layer numbers. */
export const lowBitFiles: readonly string[] = ["IQ1_S", "IQ1_M", "IQ2_XXS", "IQ2_XS", "IQ2_S", "IQ2_M"];
const iq1 = ["IQ1_S", "IQ1_M"];
const iq2Small = ["IQ2_XXS", "IQ2_XS"];
const iq2Large = ["IQ2_S", "IQ2_M"];
const notLowBit = all.filter((name) => !lowBitFiles.includes(name) && name !== "MXFP4_MOE");

export const rules: readonly Rule[] = [
  // output.weight, and token_embd where the model has no output.weight of its own
  { part: "output", files: ["MXFP4_MOE"], type: "Q8_0" },
  { part: "output", files: all, when: { falcon: true }, type: "Q8_0" },
  { part: "output", files: all, when: { rowFits: false }, type: "Q8_0" },
  { part: "output", files: [...lowBitFiles, "IQ3_XXS"], type: "Q5_K" },
  { part: "output", files: ["Q8_0"], type: "Q8_0" },
  { part: "output", files: all, type: "Q6_K" },

  // experts in MXFP4; bailingmoe3 has three-dimensional attention projections that are no experts
  { part: "ffn", files: ["MXFP4_MOE"], when: { stacked: true }, type: "MXFP4" },
  {
    part: "any",
    files: ["MXFP4_MOE"],
    when: { stacked: true, architectureNot: "bailingmoe3" },
    type: "MXFP4",
  },
  { part: "any", files: ["MXFP4_MOE"], type: "Q8_0" },

  { part: "token_embd", files: [...iq1, ...iq2Small], type: "Q2_K" },
  { part: "token_embd", files: [...iq2Large, "IQ3_XXS"], type: "IQ3_S" },
  { part: "token_embd", files: ["TQ1_0", "TQ2_0", "Q2_0"], type: "Q4_K" },

  // below three bits
  { part: "attn_v", files: lowBitFiles, when: { groupAtLeast: 4 }, type: "Q4_K" },
  { part: "attn_v", files: lowBitFiles, when: { expertsAtLeast: 4 }, type: "Q4_K" },
  { part: "attn_v", files: iq2Large, type: "IQ3_S" },
  { part: "attn_v", files: [...iq1, ...iq2Small], type: "Q2_K" },
  { part: "attn_k", files: lowBitFiles, when: { experts: 8 }, type: "Q4_K" },
  { part: "ffn_down", files: iq2Large, when: { layers: "first eighth" }, type: "IQ3_S" },
  { part: "ffn_down", files: [...iq1, ...iq2Small], when: { layers: "first eighth" }, type: "Q2_K" },
  { part: "attn_output", files: lowBitFiles, when: { experts: 8 }, type: "Q5_K" },
  { part: "attn_output", files: iq1, type: "IQ2_XXS" },
  { part: "attn_output", files: iq2Large, type: "IQ3_S" },

  // attention values: small tensors where heads are shared, so more bits cost little
  { part: "attn_v", files: ["Q2_K"], when: { groupAtLeast: 4 }, type: "Q4_K" },
  { part: "attn_v", files: ["Q2_K"], type: "Q3_K" },
  {
    part: "attn_v",
    files: ["Q2_K_S", "IQ3_XXS", "IQ3_XS", "IQ3_S"],
    when: { groupAtLeast: 4 },
    type: "Q4_K",
  },
  { part: "attn_v", files: ["IQ3_XXS"], when: { imatrix: false }, type: "IQ3_S" },
  { part: "attn_v", files: ["IQ3_M"], type: "Q4_K" },
  { part: "attn_v", files: ["Q3_K_M"], when: { layers: "first 2" }, type: "Q5_K" },
  { part: "attn_v", files: ["Q3_K_M"], type: "Q4_K" },
  { part: "attn_v", files: ["Q3_K_L"], type: "Q5_K" },
  { part: "attn_v", files: ["IQ4_NL", "IQ4_XS"], when: { groupAtLeast: 4 }, type: "Q5_K" },
  { part: "attn_v", files: ["Q4_K_M", "Q5_K_M"], when: { layers: "more bits" }, type: "Q6_K" },
  { part: "attn_v", files: ["Q4_K_S"], when: { layers: "first 4" }, type: "Q5_K" },

  // with eight experts, attention is a small part of the model, so more bits cost little
  { part: "attn_k", files: notLowBit, when: { experts: 8 }, type: "Q8_0" },
  { part: "attn_k", files: ["IQ3_XS"], type: "IQ3_XXS" },
  { part: "attn_k", files: ["IQ3_XXS"], type: "IQ2_S" },
  { part: "attn_q", files: ["IQ3_XS"], type: "IQ3_XXS" },
  { part: "attn_q", files: ["IQ3_XXS"], type: "IQ2_S" },

  { part: "ffn_down", files: ["Q2_K"], type: "Q3_K" },
  { part: "ffn_down", files: ["Q2_K_S"], when: { layers: "first eighth" }, type: "Q4_K" },
  { part: "ffn_down", files: ["IQ3_XXS"], when: { imatrix: false, layers: "first eighth" }, type: "Q4_K" },
  { part: "ffn_down", files: ["IQ3_XXS"], when: { imatrix: false }, type: "Q3_K" },
  { part: "ffn_down", files: ["Q3_K_M"], when: { layers: "first sixteenth" }, type: "Q5_K" },
  { part: "ffn_down", files: ["Q3_K_M"], when: { falcon: false }, type: "Q4_K" },
  { part: "ffn_down", files: ["Q3_K_M"], when: { layers: "more bits" }, type: "Q4_K" },
  { part: "ffn_down", files: ["IQ3_M"], when: { layers: "first eighth" }, type: "Q4_K" },
  { part: "ffn_down", files: ["IQ3_M"], when: { experts: 8, layers: "more bits" }, type: "Q4_K" },
  { part: "ffn_down", files: ["Q3_K_L"], when: { falcon: true }, type: "Q4_K" },
  { part: "ffn_down", files: ["Q3_K_L"], type: "Q5_K" },
  { part: "ffn_down", files: ["Q4_K_M"], when: { falcon: true, layers: "first sixteenth" }, type: "Q6_K" },
  { part: "ffn_down", files: ["Q4_K_M"], when: { falcon: true, layers: "more bits" }, type: "Q5_K" },
  { part: "ffn_down", files: ["Q4_K_M"], when: { falcon: false, layers: "more bits" }, type: "Q6_K" },
  {
    part: "ffn_down",
    files: ["IQ4_NL", "IQ4_XS"],
    when: { imatrix: false, layers: "first eighth" },
    type: "Q5_K",
  },
  { part: "ffn_down", files: ["Q5_K_M"], when: { layers: "more bits" }, type: "Q6_K" },
  { part: "ffn_down", files: ["Q4_K_S"], when: { falcon: false, layers: "first eighth" }, type: "Q5_K" },
  { part: "ffn_down", files: ["Q4_0"], when: { imatrix: true, layers: "first eighth" }, type: "Q4_1" },
  { part: "ffn_down", files: ["Q5_0"], when: { imatrix: true, layers: "first eighth" }, type: "Q5_1" },

  {
    part: "attn_output",
    files: [
      ...["Q2_K", "IQ3_XS", "IQ3_XXS", "IQ3_S", "IQ3_M", "Q3_K_S", "Q3_K_M"],
      ...["IQ4_NL", "IQ4_XS", "Q4_K_S", "Q4_K_M"],
    ],
    when: { falcon: false, experts: 8 },
    type: "Q5_K",
  },
  { part: "attn_output", files: ["Q3_K_L"], when: { falcon: true }, type: "Q4_K" },
  // the target's base type: with eight experts, no row below applies
  { part: "attn_output", files: ["Q3_K_L"], when: { experts: 8 }, type: "Q3_K" },
  { part: "attn_output", files: ["Q2_K"], when: { falcon: false }, type: "Q3_K" },
  { part: "attn_output", files: ["IQ3_XXS"], when: { falcon: false }, type: "IQ3_S" },
  { part: "attn_output", files: ["Q3_K_M", "IQ3_M"], when: { falcon: false }, type: "Q4_K" },
  { part: "attn_output", files: ["Q3_K_L"], type: "Q5_K" },

  { part: "ffn_gate", files: ["IQ3_XS"], when: { layers: "middle three quarters" }, type: "IQ3_XXS" },
  { part: "ffn_up", files: ["IQ3_XS"], when: { layers: "middle three quarters" }, type: "IQ3_XXS" },
];

export interface Raise {
  readonly part: Part;
  readonly files: readonly string[];
  readonly when: Condition;
  /** The types that are raised; absent: all types. */
  readonly from?: readonly string[];
  readonly type: string;
}

/** Applied one after the other to the type from `rules` or to the base type. */
export const raises: readonly Raise[] = [
  { part: "attn_v", files: notLowBit, when: { is70B: true }, from: ["Q3_K", "Q4_K"], type: "Q5_K" },
  { part: "attn_v", files: notLowBit, when: { experts: 8 }, type: "Q8_0" },
];

/** Architectures whose 80-layer model llama.cpp calls 70B (its model loaders' `LLM_TYPE_70B`). */
export const models70B: readonly { readonly architecture: string; readonly sharedHeads: boolean }[] = [
  // without shared heads it is the first llama's 65B
  { architecture: "llama", sharedHeads: true },
  { architecture: "deci", sharedHeads: false },
  { architecture: "qwen2", sharedHeads: false },
  { architecture: "olmo", sharedHeads: false },
];

/**
 * Used where the row length is not a multiple of the type's block size; F16 where it is not a multiple of the fallback's
 * either.
 */
export const fallbacks: Readonly<Record<string, string>> = {
  IQ1_S: "IQ4_NL",
  IQ1_M: "IQ4_NL",
  IQ2_XXS: "IQ4_NL",
  IQ2_XS: "IQ4_NL",
  IQ2_S: "IQ4_NL",
  IQ3_XXS: "IQ4_NL",
  IQ3_S: "IQ4_NL",
  IQ4_XS: "IQ4_NL",
  Q2_0: "Q4_0",
  Q2_K: "Q4_0",
  Q3_K: "Q4_0",
  TQ1_0: "Q4_0",
  TQ2_0: "Q4_0",
  Q4_K: "Q5_0",
  Q5_K: "Q5_1",
  Q6_K: "Q8_0",
};

/** Tensors that keep their type whatever the target. */
export const keptTensors: readonly (NamePattern & { readonly because: string })[] = [
  { contains: ["_norm.weight"], because: "a norm" },
  { contains: ["ffn_gate_inp.weight"], because: "the expert router" },
  { contains: ["ffn_gate_tid2eid.weight"], because: "a routing table of integers" },
  { contains: ["altup", "laurel", "per_layer_model_proj"], because: "small" },
  {
    equals: ["position_embd.weight", "token_types.weight"],
    because: "an embedding of positions or token types",
  },
  { contains: ["ssm_conv1d", "shortconv.conv.weight"], because: "a small convolution" },
  { contains: ["indexer.k_proj.weight", "indexer.q_proj.weight"], because: "a small indexer projection" },
  {
    contains: [
      ...[
        "first",
        "w0",
        "w1",
        "w2",
        "v0",
        "v1",
        "v2",
        "a0",
        "a1",
        "a2",
        "g1",
        "g2",
        "decay_w1",
        "decay_w2",
      ].map((name) => `time_mix_${name}.weight`),
      "time_mix_lerp_fused.weight",
    ],
    because: "a small time-mixing weight",
  },
  { contains: ["attn_rel_b.weight"], because: "a relative position bias" },
  {
    contains: [
      ".position_embd",
      "sam.pos_embd",
      "sam.neck.",
      "sam.net_",
      ".rel_pos",
      ".patch_embd",
      ".patch_merger",
    ],
    because: "part of an image encoder",
  },
  { contains: ["a.rvq.codebook", "mm.a.code_embd"], because: "an audio codebook" },
];

/** Types too coarse to be chosen without an importance matrix, except for output and token_embd. */
export const typesRequiringImatrix: readonly string[] = [
  "IQ3_XXS",
  "IQ2_XXS",
  "IQ2_XS",
  "IQ2_S",
  "IQ1_M",
  "IQ1_S",
];

/** The same for single targets. */
export const fileTypesRequiringImatrix: readonly { readonly file: string; readonly type: string }[] = [
  { file: "Q2_K_S", type: "Q2_K" },
];

export function nameFits(pattern: NamePattern, name: string): boolean {
  return (
    (pattern.equals?.includes(name) ?? false) ||
    (pattern.contains?.some((text) => name.includes(text)) ?? false)
  );
}

export function partOf(name: string): Part {
  return parts.find((pattern) => nameFits(pattern, name))?.part ?? "other";
}
