/** Qwen 1. Oracle: metadata of llama.cpp's converter (version 0.5.0), names of gguf-py's table (`get_tensor_name_map`). */
import { Tokenizer } from "@huggingface/tokenizers";
import { describe, expect, test } from "vitest";
import { ggufToHf, type HfFiles, hfToGguf, llamafy } from "../src/index.ts";
import { asListed } from "./golden.ts";
import { deliberate, filesOf, readTokenizerVector } from "./tokenizer-vector.ts";

describe("Qwen 1, whole", () => {
  const vector = readTokenizerVector("qwen");
  const shapes: Readonly<Record<string, number[]>> = {
    "transformer.wte.weight": [704, 64],
    "transformer.ln_f.weight": [64],
    "lm_head.weight": [704, 64],
    ...Object.fromEntries(
      [0, 1].flatMap((layer) =>
        Object.entries({
          "ln_1.weight": [64],
          "attn.c_attn.weight": [192, 64],
          "attn.c_attn.bias": [192],
          "attn.c_proj.weight": [64, 64],
          "ln_2.weight": [64],
          "mlp.w1.weight": [96, 64],
          "mlp.w2.weight": [96, 64],
          "mlp.c_proj.weight": [64, 96],
        }).map(([part, shape]) => [`transformer.h.${layer}.${part}`, shape]),
      ),
    ),
  };
  const files: HfFiles = {
    ...filesOf(vector),
    tensors: Object.entries(shapes).map(([name, shape]) => ({ name, shape, encoding: "BF16" })),
  };
  const plan = hfToGguf(files, { fileType: "F32" });

  test("metadata of the converter, except for the name of the epsilon that llama.cpp reads", () => {
    const general = /^general\.(?!architecture|type|file_type|quantization_version)/;
    const ours = [...plan.metadata]
      .map(([key, value]) => asListed(key, value))
      .filter(({ key }) => !general.test(key));
    const theirs = vector.metadata.map((entry) =>
      entry.key === "qwen.attention.layer_norm_epsilon"
        ? { ...entry, key: "qwen.attention.layer_norm_rms_epsilon" }
        : entry,
    );
    expect(ours.filter(({ key }) => !deliberate["qwen"]?.includes(key))).toEqual(theirs);
  });

  test("names of gguf-py's table, and back", () => {
    expect(plan.tensors.map(({ name }) => name)).toContain("blk.1.attn_qkv.bias");
    const back = ggufToHf({ ...plan, smallTensors: undefined }, { dtype: "BF16" });
    expect(back.tensors.map(({ name, shape }) => [name, [...shape]])).toEqual(
      Object.entries(shapes).sort(([a], [b]) => (a < b ? -1 : 1)),
    );
    expect(JSON.parse(String(back.files.get("config.json")))).toMatchObject({
      architectures: ["QWenLMHeadModel"],
      hidden_size: 64,
      intermediate_size: 192,
      kv_channels: 16,
      layer_norm_epsilon: 1e-6,
      rotary_emb_base: 10000,
      vocab_size: 704,
    });
  });

  test("as a Llama: a tokenizer.json with the ids of tiktoken, and the ids of the ends", () => {
    const llama = llamafy(files);
    expect([...llama.rewritten.keys()].sort()).toEqual([
      "config.json",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const tokenizer = new Tokenizer(
      JSON.parse(llama.rewritten.get("tokenizer.json") ?? ""),
      JSON.parse(llama.rewritten.get("tokenizer_config.json") ?? ""),
    );
    for (const { text, ids } of vector.tokenization)
      expect([text, tokenizer.encode(text).ids]).toEqual([text, ids]);
    // the class is a plain Llama's, so its GGUF is one too
    const gguf = hfToGguf(llama.files, { fileType: "F16" });
    expect(gguf.metadata.get("general.architecture")?.value).toBe("llama");
    expect(gguf.metadata.get("tokenizer.ggml.tokens")).toEqual(plan.metadata.get("tokenizer.ggml.tokens"));
    expect(gguf.metadata.get("tokenizer.ggml.eos_token_id")?.value).toBe(436);
  });
});
