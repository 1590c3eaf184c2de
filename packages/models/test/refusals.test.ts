/** Models that cannot be converted are refused with the right code, place and hint; hostile side files do no harm. */

import { isCodecError } from "@requant/core";
import { describe, expect, test } from "vitest";
import { ggufToHf, type HfFiles, hfToGguf, readHfFiles } from "../src/index.ts";
import { messagesOf } from "./messages.ts";
import { readVector, vectorContents, vectorFiles } from "./vector.ts";

const vector = readVector("llama2");
const contents = vectorContents(vector);
const llama = vectorFiles(vector);
const bytePair = vectorFiles(readVector("llama31"));

const withConfig = (changes: object): HfFiles => ({ ...llama, config: { ...llama.config, ...changes } });
const convert = (files: HfFiles) => () => hfToGguf(files, { fileType: "F16" });

describe("conversion errors name --like", () => {
  const tokenizerJson = bytePair.tokenizerJson ?? {};
  test.each<[string, HfFiles, RegExp]>([
    ["unknown class", withConfig({ architectures: ["NewForCausalLM"], model_type: "new" }), /NewForCausalLM/],
    ["no class at all", withConfig({ architectures: null, model_type: "new" }), /model_type "new"/],
    ["no tokenizer", { ...llama, tokenizerModel: undefined, tokenizerJson: undefined }, /no tokenizer/],
    [
      "a pre-tokenizer that nobody knows",
      {
        ...bytePair,
        tokenizerJson: {
          ...tokenizerJson,
          pre_tokenizer: { type: "Split", pattern: { Regex: "x" }, behavior: "Isolated", invert: false },
        },
      },
      /pre-tokenizer/,
    ],
    [
      "no pre-tokenizer",
      { ...bytePair, tokenizerJson: { ...tokenizerJson, pre_tokenizer: null } },
      /pre-tokenizer/,
    ],
    [
      "a vocabulary of whole words",
      { ...bytePair, tokenizerJson: { ...tokenizerJson, model: { type: "WordLevel", vocab: {} } } },
      /WordLevel/,
    ],
    [
      "a tensor without place",
      {
        ...llama,
        tensors: [...llama.tensors, { name: "model.layers.0.extra.weight", shape: [1], encoding: "F16" }],
      },
      /extra\.weight/,
    ],
    ["a missing count", withConfig({ vocab_size: 512, num_attention_heads: null }), /num_attention_heads/],
  ])("%s", (_, files, message) => {
    expect(convert(files)).toThrow(
      expect.objectContaining({
        code: "CONVERSION",
        message: expect.stringMatching(message),
        hint: expect.stringContaining("`like`"),
      }),
    );
  });
});

describe("format errors name the file", () => {
  test.each<[string, Record<string, string | Uint8Array>, RegExp]>([
    ["config.json that is no JSON", { "config.json": "{" }, /config\.json is not JSON/],
    ["config.json that is an array", { "config.json": "[]" }, /JSON object/],
    ["config.json that is an HTML page", { "config.json": "<!doctype html>" }, /not JSON/],
    [
      "config.json that is a pointer",
      { "config.json": "version https://git-lfs.github.com/spec/v1" },
      /Git LFS pointer/,
    ],
    [
      "config.json with classes that are numbers",
      { "config.json": '{"architectures":[1]}' },
      /architectures\.0/,
    ],
    [
      "tokenizer.json of bombs",
      { "tokenizer.json": `{"a":${"[".repeat(50_000)}${"]".repeat(50_000)}}` },
      /nests/,
    ],
    [
      "tokenizer.json with ids that are texts",
      { "tokenizer.json": '{"added_tokens":[{"id":"1","content":"x"}]}' },
      /added_tokens/,
    ],
    ["added_tokens.json with negative ids", { "added_tokens.json": '{"x":-1}' }, /added_tokens\.json/],
    ["bytes that are no text", { "tokenizer_config.json": Uint8Array.of(0xff, 0xfe) }, /not UTF-8/],
  ])("%s", (_, changes, message) => {
    const files = new Map([...contents, ...Object.entries(changes)]);
    expect(() => readHfFiles("x", files, [])).toThrow(
      expect.objectContaining({
        code: "FORMAT",
        message: expect.stringMatching(message),
        path: Object.keys(changes)[0],
      }),
    );
  });

  test("no config.json", () => {
    expect(() => readHfFiles("x", new Map(), [])).toThrow(/config\.json is missing/);
  });

  test.each<[string, HfFiles, RegExp]>([
    ["a hidden size that is a text", withConfig({ hidden_size: "64" }), /hidden_size.*must be a number/],
    [
      "a layer count that is a fraction",
      withConfig({ num_hidden_layers: 2.5 }),
      /num_hidden_layers.*whole number/,
    ],
    ["a vocabulary of billions", withConfig({ vocab_size: 4_000_000_000 }), /4000000000 tokens/],
    ["an id below zero", withConfig({ bos_token_id: -1 }), /bos token/],
  ])("%s", (_, files, message) => {
    expect(convert(files)).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }),
    );
  });
});

describe("a config that the tensors contradict allocates nothing", () => {
  const reshaped = (name: string, shape: readonly number[]): HfFiles => ({
    ...llama,
    tensors: llama.tensors.map((tensor) => (tensor.name === name ? { ...tensor, shape } : tensor)),
  });
  const without = (name: string): HfFiles => ({
    ...llama,
    tensors: llama.tensors.filter((tensor) => tensor.name !== name),
  });
  const last = Math.max(...llama.tensors.map(({ name }) => Number(/layers\.(\d+)\./.exec(name)?.[1] ?? 0)));
  const beyond = llama.tensors.filter(({ name }) => !name.includes(`layers.${last}.`));
  test.each<[string, HfFiles, RegExp]>([
    ["a billion layers", withConfig({ num_hidden_layers: 1e9 }), /num_hidden_layers is 1000000000/],
    ["a trillion columns", withConfig({ hidden_size: 1e12 }), /hidden_size is 1000000000000/],
    [
      "heads of a million columns, with rope factors for each",
      withConfig({ head_dim: 1e6, rope_scaling: { rope_type: "llama3", factor: 8 } }),
      /head_dim is 1000000/,
    ],
    ["a layer that is not there", { ...llama, tensors: beyond }, /has no tensors/],
    ["a weight that lost its partner", without("model.layers.0.mlp.up_proj.weight"), /no ffn_up/],
    [
      "a weight of another width",
      reshaped("model.layers.0.mlp.up_proj.weight", [16, 8]),
      /columns must be the embedding length/,
    ],
    ["a vocabulary of another size", reshaped("model.embed_tokens.weight", [7, 64]), /the embedding 7 rows/],
  ])("%s", (_, files, message) => {
    expect(convert(files)).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(message) }),
    );
  });

  test("no model named at all", () => {
    expect(convert(withConfig({ architectures: undefined, model_type: null }))).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(/names no model/) }),
    );
  });

  test("a GGUF with a billion layers is refused", () => {
    const { metadata, tensors } = hfToGguf(llama, { fileType: "F16" });
    const many = new Map([...metadata, ["llama.block_count", { type: "u32", value: 1e9 } as const]]);
    expect(() => ggufToHf({ metadata: many, tensors, smallTensors: undefined }, { dtype: "F16" })).toThrow(
      expect.objectContaining({ code: "FORMAT", message: expect.stringMatching(/llama\.block_count/) }),
    );
  });
});

test("__proto__ in a side file is a plain key", () => {
  const files = readHfFiles(
    "x",
    new Map([
      ...contents,
      ["config.json", '{"__proto__":{"polluted":1},"architectures":["LlamaForCausalLM"]}'],
    ]),
    [],
  );
  expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  expect(files.config["polluted"]).toBeUndefined();
  const tokens =
    '{"model":{"type":"BPE","vocab":{"__proto__":0,"constructor":1}},"pre_tokenizer":{"type":"ByteLevel"}}';
  const changed = readHfFiles(
    "x",
    new Map([
      ["config.json", JSON.stringify({ ...bytePair.config, vocab_size: 3 })],
      ["tokenizer.json", tokens],
    ]),
    [],
  );
  const tensors = bytePair.tensors.map((tensor) =>
    /embed_tokens|lm_head/.test(tensor.name) ? { ...tensor, shape: [3, ...tensor.shape.slice(1)] } : tensor,
  );
  const plan = hfToGguf({ ...changed, tensors }, { fileType: "F32" });
  expect(plan.metadata.get("tokenizer.ggml.tokens")).toMatchObject({
    value: ["__proto__", "constructor", "[PAD2]"],
  });
});

test("bare NaN and Infinity, as Python writes them, are read", () => {
  const config = JSON.stringify(llama.config).replace(/}$/, ',"odd":[NaN,-Infinity,"NaN"]}');
  const files = readHfFiles("x", new Map([["config.json", config]]), []);
  expect(files.config["odd"]).toEqual([null, null, "NaN"]);
});

describe("incomplete checkpoints", () => {
  const mixtral = vectorFiles(readVector("mixtral"));
  test("an expert is missing", () => {
    const tensors = mixtral.tensors.filter(
      ({ name }) => !name.includes("layers.1.block_sparse_moe.experts.3.w2"),
    );
    expect(convert({ ...mixtral, tensors })).toThrow(
      expect.objectContaining({
        code: "CONVERSION",
        tensor: "model.layers.1.block_sparse_moe.experts.3.w2.weight",
      }),
    );
  });

  test("a tensor is there twice", () => {
    expect(convert({ ...llama, tensors: [...llama.tensors, ...llama.tensors.slice(0, 1)] })).toThrow(/twice/);
  });

  test("more experts than the config says", () => {
    const tensors = [
      ...mixtral.tensors,
      { name: "model.layers.0.block_sparse_moe.experts.9.w1.weight", shape: [96, 64], encoding: "BF16" },
    ];
    expect(convert({ ...mixtral, tensors })).toThrow(/only 4/);
  });
});

describe("parts that a text model's GGUF does not hold are reported", () => {
  test("vision, audio and buffers", () => {
    const extra = [
      "vision_tower.blocks.0.weight",
      "multi_modal_projector.linear_1.weight",
      "audio_tower.conv1.weight",
      "model.layers.0.self_attn.rotary_emb.inv_freq",
    ];
    const tensors = [...llama.tensors, ...extra.map((name) => ({ name, shape: [1], encoding: "F16" }))];
    const { leftOut } = hfToGguf({ ...llama, tensors }, { fileType: "F16" });
    expect(leftOut.map(({ name }) => name).sort()).toEqual([...extra].sort());
    expect(leftOut.every(({ reason }) => reason.length > 10)).toBe(true);
  });

  test("prediction layers of DeepSeek V3", () => {
    const files = vectorFiles(readVector("deepseek3"));
    const name = "model.layers.2.eh_proj.weight";
    const { leftOut } = hfToGguf(
      { ...files, tensors: [...files.tensors, { name, shape: [64, 128], encoding: "BF16" }] },
      { fileType: "BF16" },
    );
    expect(leftOut).toEqual([{ name, reason: expect.stringContaining("multi-token prediction") }]);
  });

  test("a text model wrapped in a multimodal one", () => {
    const files = vectorFiles(readVector("mistral"));
    const wrapped: HfFiles = {
      ...files,
      config: {
        architectures: ["Mistral3ForConditionalGeneration"],
        model_type: "mistral3",
        text_config: files.config,
      },
      tensors: files.tensors.map((tensor) => ({ ...tensor, name: `language_model.${tensor.name}` })),
    };
    const plan = hfToGguf(wrapped, { fileType: "BF16" });
    expect(plan.architecture).toBe("mistral3");
    expect(plan.tensors.map(({ name }) => name)).toEqual(
      hfToGguf(files, { fileType: "BF16" }).tensors.map(({ name }) => name),
    );
  });
});

describe("GGUF files", () => {
  const gguf = hfToGguf(bytePair, { fileType: "F32" });
  const without = (...keys: readonly string[]) =>
    new Map([...gguf.metadata].filter(([key]) => !keys.includes(key)));

  test("an unknown architecture", () => {
    const metadata = new Map(gguf.metadata).set("general.architecture", { type: "string", value: "gptj" });
    expect(() => ggufToHf({ ...gguf, metadata, smallTensors: undefined }, { dtype: "F16" })).toThrow(
      expect.objectContaining({ code: "CONVERSION", message: expect.stringContaining("gptj") }),
    );
    expect(() =>
      ggufToHf({ ...gguf, metadata: new Map(), smallTensors: undefined }, { dtype: "F16" }),
    ).toThrow(/general\.architecture/);
  });

  test("an unknown tensor, and a missing tensor", () => {
    const tensors = [...gguf.tensors, { name: "blk.0.odd.weight", shape: [1] }];
    expect(() => ggufToHf({ ...gguf, tensors, smallTensors: undefined }, { dtype: "F16" })).toThrow(
      /blk\.0\.odd\.weight/,
    );
    const moe = hfToGguf(vectorFiles(readVector("mixtral")), { fileType: "F32" });
    const cut = moe.tensors.filter(({ name }) => name !== "blk.0.ffn_up_exps.weight");
    expect(() => ggufToHf({ ...moe, tensors: cut, smallTensors: undefined }, { dtype: "F16" })).toThrow(
      expect.objectContaining({ tensor: "blk.0.ffn_up_exps.weight" }),
    );
  });

  test.each<[string, string[], RegExp]>([
    ["no pre-tokenizer", ["tokenizer.ggml.pre"], /pre is missing/],
    ["no tokenizer", ["tokenizer.ggml.model"], /holds no tokenizer/],
  ])("%s: converted without tokenizer files, with a reason", (_, keys, reason) => {
    const back = ggufToHf({ ...gguf, metadata: without(...keys), smallTensors: undefined }, { dtype: "F16" });
    expect(back.leftOut).toContainEqual({ name: "tokenizer", reason: expect.stringMatching(reason) });
    expect([...back.files.keys()]).toEqual(["config.json", "generation_config.json"]);
  });

  test("token types that do not fit the tokens", () => {
    const metadata = new Map(gguf.metadata).set("tokenizer.ggml.token_type", {
      type: "array",
      elementType: "i32",
      length: 1,
      value: [1],
    });
    expect(() => ggufToHf({ ...gguf, metadata, smallTensors: undefined }, { dtype: "F16" })).toThrow(
      expect.objectContaining({ code: "FORMAT" }),
    );
  });

  test("rope scaling that was not read is assumed and reported", () => {
    const back = ggufToHf({ ...gguf, smallTensors: undefined }, { dtype: "F16" });
    expect(messagesOf(back)).toMatch(/rope_scaling.*rope_freqs\.weight was not read/);
  });
});

test("every error is a CodecError", () => {
  try {
    hfToGguf(withConfig({ architectures: ["X"] }), { fileType: "F16" });
  } catch (error) {
    expect(isCodecError(error)).toBe(true);
  }
  expect(convert({ ...llama })).not.toThrow();
  expect(() => hfToGguf(llama, { fileType: "Q99" })).toThrow(expect.objectContaining({ code: "USAGE" }));
});
