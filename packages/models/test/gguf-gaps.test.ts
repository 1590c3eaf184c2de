/**
 * From GGUF to Hugging Face, every fact that the file lacks is reported. Oracle: the keys that llama.cpp's converter does
 * not write, family by family (conversion/*.py, read with the golden data), and for the rest the metadata itself.
 */
import { describe, expect, test } from "vitest";
import { ggufToHf, hfToGguf } from "../src/index.ts";
import { readVector, vectorFiles, vectorNames } from "./vector.ts";

/** Keys of config.json that are named as assumed. */
function assumedOf(name: string): readonly string[] {
  const vector = readVector(name);
  const gguf = hfToGguf(vectorFiles(vector), { fileType: vector.fileType });
  return ggufToHf({ ...gguf, smallTensors: undefined }, { dtype: "BF16" }).findings.flatMap(
    ({ code, key }) => (code === "assumed" ? (key ?? []) : []),
  );
}

test.each<[string, string[]]>([
  ["qwen2", ["use_sliding_window", "max_window_layers"]],
  ["qwen2moe", ["norm_topk_prob", "mlp_only_layers", "decoder_sparse_step"]],
  ["qwen3moe", ["norm_topk_prob", "mlp_only_layers", "decoder_sparse_step"]],
  ["qwen3next", ["norm_topk_prob", "mlp_only_layers", "decoder_sparse_step"]],
  ["gemma1", ["rope_theta", "hidden_act"]],
  ["gemma2", ["query_pre_attn_scalar", "rope_theta", "hidden_activation"]],
  ["gemma3", ["query_pre_attn_scalar", "sliding_window_pattern"]],
  ["llama4", ["attention_chunk_size", "attn_temperature_tuning", "attn_scale", "floor_scale"]],
  ["smollm3", ["no_rope_layer_interval"]],
  ["starcoder2", ["sliding_window"]],
  ["phi2", ["rope_theta"]],
  ["stablelm", ["rope_theta"]],
  ["gptneox", ["rotary_emb_base"]],
  ["deepseek2", ["topk_method"]],
  ["ministral3", ["rope_scaling.mscale"]],
  ["lfm2", ["block_multiple_of", "block_ffn_dim_multiplier"]],
])("%s: %j", (name, keys) => {
  const assumed = assumedOf(name);
  for (const key of keys) expect(assumed.filter((one) => one === key)).toHaveLength(1);
});

describe.each(vectorNames)("%s", (name) => {
  test("a GGUF without rope.freq_base gives a reported rope_theta, a GGUF with it does not", () => {
    const { metadata, class: family } = readVector(name);
    const hasBase = metadata.some(({ key }) => key.endsWith(".rope.freq_base"));
    const named = assumedOf(name).some((key) => /^(?:rope_theta|rotary_emb_base)/.test(key));
    // no rotary positions; a class of its own with a base that is no setting
    if (/^(?:GPT2LMHead|Baichuan|DistilBert|Jamba|Mamba2|PlamoForCausalLM|RWKV7)/i.test(family))
      expect(named).toBe(false);
    else expect(named).toBe(!hasBase);
  });
});

test("Gemma 3's two bases and its scaling come back, and nothing contradicts them", () => {
  const files = vectorFiles(readVector("gemma3"));
  const rope = {
    rope_theta: 500000,
    rope_local_base_freq: 20000,
    rope_scaling: { rope_type: "linear", factor: 8 },
  };
  const gguf = hfToGguf({ ...files, config: { ...files.config, ...rope } }, { fileType: "BF16" });
  expect(gguf.metadata.get("gemma3.rope.scaling.factor")?.value).toBe(8);
  const config = JSON.parse(
    String(ggufToHf({ ...gguf, smallTensors: undefined }, { dtype: "BF16" }).files.get("config.json")),
  );
  expect(config).toMatchObject(rope);
  expect(config.rope_parameters).toBeUndefined();
});
