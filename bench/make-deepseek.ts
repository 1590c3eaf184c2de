/** Writes a made-up DeepSeek-V3 in blocks of FP8, as its publisher stores it; or in BF16. Streaming. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { BF16 } from "@requant/core";
import { fileSink } from "@requant/core/node";
import { E4M3_VALUES } from "@requant/core/numeric";
import { quantizeFloat8 } from "@requant/float8";
import { writeSafetensors } from "@requant/safetensors";
import { randomNumbers } from "./random.ts";
import { wordTokenizer } from "./vocabulary.ts";

/** A prime number of codes, so that weights of different rows differ. */
const POOL = 4_194_301;
const SCALE = 0.0002;
const BLOCK = 128;

/** The proportions of DeepSeek-V3, smaller and with fewer layers and experts. */
const SHAPE = {
  width: 2048,
  feedForward: 5632,
  expertWidth: 1408,
  experts: 16,
  heads: 16,
  queryRank: 768,
  keyValueRank: 512,
  nopeWidth: 128,
  ropeWidth: 64,
  valueWidth: 128,
  vocabularySize: 4096,
} as const;

interface Tensor {
  readonly name: string;
  readonly encoding: string;
  readonly shape: readonly number[];
  readonly data: Iterable<Uint8Array>;
}

interface Pools {
  readonly codes: Uint8Array;
  /** The same numbers as BF16: codes times the scale. */
  readonly halves: Uint8Array;
}

/** Makes the folder and returns the bytes of its weights. */
export async function makeDeepseek(folder: string, layers: number, kind: "FP8" | "BF16"): Promise<number> {
  const pools = makePools();
  const tensors = layerNames(layers).map(({ name, shape, isPacked }, index) => ({
    name,
    shape,
    isPacked,
    index,
  }));
  const all = tensors.flatMap(({ name, shape, isPacked, index }): Tensor[] => {
    const start = (index * 1_000_003) % POOL;
    if (!isPacked || kind === "BF16") {
      const data = shape.length === 1 ? ones(shape) : repeated(pools.halves, shape, start, 2);
      return [{ name: `${name}.weight`, encoding: "BF16", shape, data }];
    }
    const blocks = shape.map((side) => Math.ceil(side / BLOCK));
    const scales = new Float32Array((blocks[0] ?? 1) * (blocks[1] ?? 1)).fill(SCALE);
    return [
      { name: `${name}.weight`, encoding: "F8_E4M3", shape, data: repeated(pools.codes, shape, start, 1) },
      {
        name: `${name}.weight_scale_inv`,
        encoding: "F32",
        shape: blocks,
        data: [new Uint8Array(scales.buffer)],
      },
    ];
  });
  await mkdir(folder, { recursive: true });
  const sink = await fileSink(join(folder, "model.safetensors"), { overwrite: true });
  const { byteLength } = await writeSafetensors(sink, all, { metadata: { format: "pt" } });
  await sink.close();
  await writeSideFiles(folder, layers, kind);
  return byteLength;
}

/** Normal numbers of standard deviation 0.02 as FP8 with one scale. */
function makePools(): Pools {
  const random = randomNumbers(9);
  const values = Float32Array.from(
    { length: POOL },
    () => 0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  const codes = new Uint8Array(POOL);
  const blocks = { columns: POOL, blockRows: 1, blockColumns: POOL, powersOfTwo: false };
  quantizeFloat8(values, blocks, codes, new Float32Array(1));
  const floats = Float32Array.from(codes, (code) => (E4M3_VALUES[code] ?? 0) * SCALE);
  const halves = new Uint8Array(2 * POOL);
  BF16.quantize?.(floats, POOL, halves);
  return { codes, halves };
}

function* ones([length = 1]: readonly number[]): Generator<Uint8Array> {
  yield new Uint8Array(Uint16Array.from({ length }, () => 0x3f80).buffer);
}

function* repeated(
  pool: Uint8Array,
  shape: readonly number[],
  start: number,
  width: number,
): Generator<Uint8Array> {
  let left = shape.reduce((product, size) => product * size, width);
  for (let from = width * start; left > 0; from = 0) {
    const bytes = pool.subarray(from, Math.min(pool.length, from + left));
    yield bytes;
    left -= bytes.length;
  }
}

function layerNames(layers: number): { name: string; shape: number[]; isPacked: boolean }[] {
  const { width, feedForward, expertWidth, experts, heads, queryRank, keyValueRank } = SHAPE;
  const { nopeWidth, ropeWidth, valueWidth, vocabularySize } = SHAPE;
  const plain = (name: string, ...shape: number[]) => ({ name, shape, isPacked: false });
  const packed = (name: string, ...shape: number[]) => ({ name, shape, isPacked: true });
  const ffn = (at: string, inner: number) => [
    packed(`${at}.gate_proj`, inner, width),
    packed(`${at}.up_proj`, inner, width),
    packed(`${at}.down_proj`, width, inner),
  ];
  return [
    plain("model.embed_tokens", vocabularySize, width),
    ...Array.from({ length: layers }, (_, layer) => `model.layers.${layer}`).flatMap((at, layer) => [
      plain(`${at}.input_layernorm`, width),
      plain(`${at}.post_attention_layernorm`, width),
      packed(`${at}.self_attn.q_a_proj`, queryRank, width),
      plain(`${at}.self_attn.q_a_layernorm`, queryRank),
      packed(`${at}.self_attn.q_b_proj`, heads * (nopeWidth + ropeWidth), queryRank),
      packed(`${at}.self_attn.kv_a_proj_with_mqa`, keyValueRank + ropeWidth, width),
      plain(`${at}.self_attn.kv_a_layernorm`, keyValueRank),
      packed(`${at}.self_attn.kv_b_proj`, heads * (nopeWidth + valueWidth), keyValueRank),
      packed(`${at}.self_attn.o_proj`, width, heads * valueWidth),
      ...(layer === 0
        ? ffn(`${at}.mlp`, feedForward)
        : [
            plain(`${at}.mlp.gate`, experts, width),
            ...Array.from({ length: experts }, (_, expert) =>
              ffn(`${at}.mlp.experts.${expert}`, expertWidth),
            ).flat(),
            ...ffn(`${at}.mlp.shared_experts`, expertWidth),
          ]),
    ]),
    plain("model.norm", width),
    plain("lm_head", vocabularySize, width),
  ];
}

async function writeSideFiles(folder: string, layers: number, kind: "FP8" | "BF16"): Promise<void> {
  const write = (name: string, json: unknown): Promise<void> =>
    writeFile(join(folder, name), JSON.stringify(json, undefined, 1));
  const { width, heads, vocabularySize } = SHAPE;
  await write("config.json", {
    architectures: ["DeepseekV3ForCausalLM"],
    model_type: "deepseek_v3",
    first_k_dense_replace: 1,
    hidden_act: "silu",
    hidden_size: width,
    intermediate_size: SHAPE.feedForward,
    kv_lora_rank: SHAPE.keyValueRank,
    max_position_embeddings: 2048,
    moe_intermediate_size: SHAPE.expertWidth,
    moe_layer_freq: 1,
    n_group: 1,
    n_routed_experts: SHAPE.experts,
    n_shared_experts: 1,
    norm_topk_prob: true,
    num_attention_heads: heads,
    num_experts_per_tok: 4,
    num_hidden_layers: layers,
    num_key_value_heads: heads,
    q_lora_rank: SHAPE.queryRank,
    qk_nope_head_dim: SHAPE.nopeWidth,
    qk_rope_head_dim: SHAPE.ropeWidth,
    rms_norm_eps: 1e-6,
    rope_theta: 10_000,
    routed_scaling_factor: 2.5,
    scoring_func: "sigmoid",
    tie_word_embeddings: false,
    topk_group: 1,
    topk_method: "noaux_tc",
    torch_dtype: "bfloat16",
    v_head_dim: SHAPE.valueWidth,
    vocab_size: vocabularySize,
    ...(kind === "FP8"
      ? {
          quantization_config: {
            activation_scheme: "dynamic",
            fmt: "e4m3",
            quant_method: "fp8",
            weight_block_size: [BLOCK, BLOCK],
          },
        }
      : {}),
  });
  await write("tokenizer.json", wordTokenizer(vocabularySize));
  await write("tokenizer_config.json", { tokenizer_class: "PreTrainedTokenizerFast" });
}
