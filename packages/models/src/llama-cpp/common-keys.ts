/** The metadata keys that llama.cpp reads of a model of any architecture (llama-model.cpp, llama-model-loader.cpp). */
import { knownRopeScalings } from "./known-names.ts";
import { type KeyNeed, mayKey, needKey } from "./rules.ts";

/** llama-hparams.h, LLAMA_MAX_LAYERS and LLAMA_MAX_EXPERTS. */
const MOST_LAYERS = 512;
const MOST_EXPERTS = 1024;

/** A list with a number for each layer is read as u32, i32 or bool alike. */
export const perLayer = { list: { of: ["u32", "i32", "bool"] } } as const;

const atLeastOne = {
  must: { be: "at least 1", holds: (value: number | string): boolean => Number(value) >= 1 },
} as const;

/** What is divided by: a file with another value loads, and every logit is NaN. */
export const aboveZero = {
  must: { be: "more than 0", holds: (value: number | string): boolean => Number(value) > 0, loads: true },
} as const;

export const notZero = {
  must: {
    be: "a number other than 0",
    holds: (value: number | string): boolean => Number(value) !== 0 && !Number.isNaN(value),
    loads: true,
  },
} as const;

/** What the square root of a norm takes in; ggml ends the process on another (ggml_rms_norm, ggml_norm). */
export const notNegative = {
  must: { be: "0 or more", holds: (value: number | string): boolean => Number(value) >= 0 },
} as const;

/** Before the architecture is known. */
export const generalKeys: readonly KeyNeed[] = [
  needKey("general.architecture", "string"),
  mayKey("general.name", "string"),
  mayKey("general.file_type", "u32"),
  mayKey("general.alignment", "u32", {
    must: {
      be: "a power of two",
      holds: (value) => Number.isInteger(Math.log2(Number(value))),
    },
  }),
];

export const commonKeys: readonly KeyNeed[] = [
  needKey("~.context_length", "u32"),
  needKey("~.embedding_length", "u32", atLeastOne),
  needKey("~.block_count", "u32", {
    must: {
      be: `1 to ${MOST_LAYERS}`,
      holds: (value) => Number(value) >= 1 && Number(value) <= MOST_LAYERS,
    },
  }),
  mayKey("~.embedding_length_out", "u32"),
  mayKey("~.attention.causal", "bool"),
  mayKey("~.pooling_type", "u32"),
  mayKey("~.nextn_predict_layers", "u32", {
    must: {
      be: "at most the number of layers",
      holds: (value, sizes) => Number(value) <= (sizes.number("block_count") ?? 0),
    },
  }),
  mayKey("~.expert_count", "u32", {
    must: { be: `at most ${MOST_EXPERTS}`, holds: (value) => Number(value) <= MOST_EXPERTS },
  }),
  mayKey("~.expert_used_count", "u32", perLayer),
  mayKey("~.expert_group_count", "u32"),
  mayKey("~.expert_group_used_count", "u32"),
  mayKey("~.feed_forward_length", "u32", perLayer),
  mayKey("~.attention.head_count", "u32", perLayer),
  mayKey("~.attention.head_count_kv", "u32", perLayer),
  mayKey("~.attention.key_length", "u32"),
  mayKey("~.attention.value_length", "u32"),
  mayKey("~.attention.key_length_swa", "u32"),
  mayKey("~.attention.value_length_swa", "u32"),
  mayKey("~.rope.dimension_count", "u32"),
  mayKey("~.rope.dimension_count_swa", "u32"),
  mayKey("~.rope.freq_base", "f32", aboveZero),
  mayKey("~.rope.scaling.type", "string", {
    must: {
      be: `one of ${[...knownRopeScalings].join(", ")}`,
      holds: (value) => knownRopeScalings.has(String(value)),
    },
  }),
  mayKey("~.rope.scaling.factor", "f32"),
  // its older name, which is read where there is no other
  mayKey("~.rope.scale_linear", "f32", {
    when: (sizes) => sizes.number("rope.scaling.factor") === undefined,
  }),
  mayKey("~.rope.scaling.attn_factor", "f32"),
  mayKey("~.rope.scaling.alpha", "f32"),
  mayKey("~.rope.scaling.original_context_length", "u32"),
  mayKey("~.rope.scaling.finetuned", "bool"),
];
