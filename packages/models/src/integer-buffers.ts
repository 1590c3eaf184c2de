/** Integers in a checkpoint or GGUF that are not packed weights. */

interface BufferRule {
  readonly pattern: RegExp;
  readonly what: string;
}

/**
 * Buffers that transformers' classes store beside their weights, and that llama.cpp's converter skips or copies
 * (transformers, `register_buffer` in modeling files; llama.cpp, conversion/base.py and conversion/*.py).
 */
const buffers: readonly BufferRule[] = [
  { pattern: /(?:^|\.)(?:position_ids|token_type_ids)$/, what: "position or segment numbers" },
  { pattern: /(?:^|\.)(?:attn|attention|self_attn|self)\.(?:bias|masked_bias|causal_mask)$/, what: "a mask" },
  { pattern: /(?:^|\.)relative_position_index$/, what: "relative positions" },
  { pattern: /(?:^|\.)num_batches_tracked$/, what: "a counter of training steps" },
  { pattern: /(?:^|\.)(?:d2t|t2d)$/, what: "a map between the token ids of a draft model and its target" },
  { pattern: /(?:^|[._])tid2eid(?:\.weight)?$/, what: "a map from token ids to experts" },
];

/** The meaning of a tensor of integers, by its name; undefined for an unknown name. */
export function integerBuffer(name: string): string | undefined {
  return buffers.find(({ pattern }) => pattern.test(name))?.what;
}
