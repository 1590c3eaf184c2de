import {
  type BlockCodec,
  F16,
  F32,
  type MemoryStore,
  type MetadataValue,
  memorySink,
  memoryStore,
} from "@requant/core";
import { writeGguf } from "@requant/gguf";

/** Numbers that look like weights: the same ones each time. */
export function pseudoWeights(count: number, seed = 1): Float32Array {
  let state = seed >>> 0 || 1;
  return Float32Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 8) / 0x1000000 - 0.5) / 8;
  });
}

export interface TinyTensor {
  readonly name: string;
  readonly shape: readonly number[];
  readonly values: Float32Array;
}

const tinyMetadata: ReadonlyMap<string, MetadataValue> = new Map<string, MetadataValue>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["general.name", { type: "string", value: "Tiny" }],
  ["general.file_type", { type: "u32", value: 1 }],
  ["llama.block_count", { type: "u32", value: 1 }],
  ["llama.context_length", { type: "u32", value: 128 }],
  ["llama.embedding_length", { type: "u32", value: 64 }],
  ["llama.attention.head_count", { type: "u32", value: 4 }],
  ["llama.attention.head_count_kv", { type: "u32", value: 4 }],
]);

/** Two matrices, a norm, and an embedding. */
export function tinyTensors(): TinyTensor[] {
  return [
    { name: "token_embd.weight", shape: [96, 64], values: pseudoWeights(96 * 64, 1) },
    { name: "blk.0.attn_norm.weight", shape: [64], values: pseudoWeights(64, 2) },
    { name: "blk.0.attn_q.weight", shape: [64, 64], values: pseudoWeights(64 * 64, 3) },
    { name: "blk.0.ffn_up.weight", shape: [128, 64], values: pseudoWeights(128 * 64, 4) },
  ];
}

export async function ggufBytes(
  tensors: readonly TinyTensor[] = tinyTensors(),
  options: { metadata?: ReadonlyMap<string, MetadataValue>; codec?: BlockCodec; littleEndian?: boolean } = {},
): Promise<Uint8Array> {
  const { metadata = tinyMetadata, codec = F16, littleEndian = true } = options;
  let bytes = new Uint8Array(0);
  const sink = memorySink((written) => {
    bytes = written;
  }, "tiny.gguf");
  await writeGguf(sink, {
    metadata,
    littleEndian,
    tensors: tensors.map(({ name, shape, values }) => {
      const own = shape.length < 2 ? F32 : codec;
      const data = new Uint8Array((values.length / own.blockSize) * own.blockByteLength);
      own.quantize?.(values, shape.at(-1) ?? 1, data);
      return { name, shape, encoding: own.name, data: [data] };
    }),
  });
  await sink.close();
  return bytes;
}

/** A store with one file "tiny.gguf". */
export async function tinyStore(...parameters: Parameters<typeof ggufBytes>): Promise<MemoryStore> {
  const store = memoryStore({ name: "source" });
  store.files.set("tiny.gguf", await ggufBytes(...parameters));
  return store;
}
