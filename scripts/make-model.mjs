// Writes a GGUF of random F16 weights, shaped as a llama; without options 1.08 GB:
// node scripts/make-model.mjs <file> [--layers 8] [--embedding 2048] [--vocabulary 32000]
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { fileSink } from "../packages/core/dist/node.js";
import { writeGguf } from "../packages/gguf/dist/index.js";

const FEED_FORWARD_RATIO = 2.75;
const HEAD_LENGTH = 64;

/** Weights repeat after a prime number of them, and each tensor starts at another place. */
const POOL = 8_388_593;

export async function makeModel(path, { layers = 8, embedding = 2048, vocabulary = 32000 } = {}) {
  const feedForward = embedding * FEED_FORWARD_RATIO;
  const heads = embedding / HEAD_LENGTH;
  const pool = randomHalves();
  const tensors = [tensor("token_embd.weight", [vocabulary, embedding])];
  for (let layer = 0; layer < layers; layer++) {
    const name = (part) => `blk.${layer}.${part}.weight`;
    tensors.push(tensor(name("attn_norm"), [embedding]));
    for (const part of ["attn_q", "attn_k", "attn_v", "attn_output"]) {
      tensors.push(tensor(name(part), [embedding, embedding]));
    }
    tensors.push(tensor(name("ffn_norm"), [embedding]));
    for (const part of ["ffn_gate", "ffn_up"]) tensors.push(tensor(name(part), [feedForward, embedding]));
    tensors.push(tensor(name("ffn_down"), [embedding, feedForward]));
  }
  tensors.push(tensor("output_norm.weight", [embedding]), tensor("output.weight", [vocabulary, embedding]));
  const u32 = (value) => ({ type: "u32", value });
  const metadata = new Map([
    ["general.architecture", { type: "string", value: "llama" }],
    ["general.name", { type: "string", value: "random" }],
    ["general.file_type", u32(1)],
    ["llama.block_count", u32(layers)],
    ["llama.context_length", u32(2048)],
    ["llama.embedding_length", u32(embedding)],
    ["llama.feed_forward_length", u32(feedForward)],
    ["llama.attention.head_count", u32(heads)],
    ["llama.attention.head_count_kv", u32(heads)],
    ["llama.attention.layer_norm_rms_epsilon", { type: "f32", value: Math.fround(1e-5) }],
    ["llama.rope.dimension_count", u32(HEAD_LENGTH)],
    ["llama.vocab_size", u32(vocabulary)],
  ]);
  const sink = await fileSink(path, { overwrite: true });
  await writeGguf(sink, {
    metadata,
    tensors: tensors.map((info, index) => ({ ...info, data: () => dataOf(info, index, pool) })),
  });
  await sink.close();
}

function tensor(name, shape) {
  return { name, shape, encoding: shape.length > 1 ? "F16" : "F32" };
}

function* dataOf({ shape, encoding }, index, pool) {
  const count = shape.reduce((product, size) => product * size, 1);
  if (encoding === "F32") {
    yield new Uint8Array(new Float32Array(count).fill(1).buffer);
    return;
  }
  let from = (index * 1_000_003) % POOL;
  for (let left = count; left > 0; ) {
    const length = Math.min(left, POOL - from, 2_097_152);
    yield new Uint8Array(pool.buffer, 2 * from, 2 * length);
    left -= length;
    from = (from + length) % POOL;
  }
}

/** Near-normal numbers of standard deviation 0.02, always the same. */
function randomHalves() {
  const halves = new Uint16Array(POOL);
  const float = new Float32Array(1);
  const bits = new Uint32Array(float.buffer);
  let state = 12345;
  const uniform = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  for (let i = 0; i < POOL; i++) {
    float[0] = (uniform() + uniform() + uniform() + uniform() - 2) * 0.0346;
    const value = bits[0];
    const exponent = ((value >>> 23) & 255) - 112;
    // numbers too small for a normal half become zero: this is test data, not a conversion
    halves[i] = exponent <= 0 ? 0 : ((value >>> 16) & 0x8000) | (exponent << 10) | ((value >>> 13) & 0x3ff);
  }
  return halves;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      layers: { type: "string", default: "8" },
      embedding: { type: "string", default: "2048" },
      vocabulary: { type: "string", default: "32000" },
    },
  });
  const [path] = positionals;
  if (path === undefined) throw new Error("node scripts/make-model.mjs <file> [--layers 8] …");
  const { layers, embedding, vocabulary } = values;
  await makeModel(path, {
    layers: Number(layers),
    embedding: Number(embedding),
    vocabulary: Number(vocabulary),
  });
}
