import type { Metadata, MetadataValue, TensorShape } from "@requant/core";

/** The sizes that make a llama. */
export interface LlamaShape {
  readonly layers: number;
  readonly width: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly keyValueHeads: number;
  readonly vocabularySize: number;
}

/** Metadata and F16 tensors of a made-up llama, named and ordered as llama.cpp's own converter does. */
export function llamaShape(shape: LlamaShape): { metadata: Metadata; tensors: TensorShape[] } {
  const { layers, width, feedForward, heads, keyValueHeads, vocabularySize } = shape;
  const keyValueWidth = (width / heads) * keyValueHeads;
  const u32 = (value: number): MetadataValue => ({ type: "u32", value });
  const metadata = new Map<string, MetadataValue>([
    ["general.architecture", { type: "string", value: "llama" }],
    ["general.name", { type: "string", value: "Made-up llama" }],
    ["general.file_type", u32(1)],
    ["llama.block_count", u32(layers)],
    ["llama.context_length", u32(2048)],
    ["llama.embedding_length", u32(width)],
    ["llama.feed_forward_length", u32(feedForward)],
    ["llama.attention.head_count", u32(heads)],
    ["llama.attention.head_count_kv", u32(keyValueHeads)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: 1e-5 }],
    ["llama.rope.dimension_count", u32(width / heads)],
    ["llama.vocab_size", u32(vocabularySize)],
  ]);
  const matrix = (name: string, rows: number, columns: number): TensorShape => ({
    name: `${name}.weight`,
    shape: [rows, columns],
    encoding: "F16",
  });
  const vector = (name: string): TensorShape => ({
    name: `${name}.weight`,
    shape: [width],
    encoding: "F32",
  });
  const tensors = [
    matrix("token_embd", vocabularySize, width),
    ...Array.from({ length: layers }, (_, layer) => `blk.${layer}`).flatMap((block) => [
      vector(`${block}.attn_norm`),
      matrix(`${block}.attn_q`, width, width),
      matrix(`${block}.attn_k`, keyValueWidth, width),
      matrix(`${block}.attn_v`, keyValueWidth, width),
      matrix(`${block}.attn_output`, width, width),
      vector(`${block}.ffn_norm`),
      matrix(`${block}.ffn_gate`, feedForward, width),
      matrix(`${block}.ffn_up`, feedForward, width),
      matrix(`${block}.ffn_down`, width, feedForward),
    ]),
    vector("output_norm"),
    matrix("output", vocabularySize, width),
  ];
  return { metadata, tensors };
}
