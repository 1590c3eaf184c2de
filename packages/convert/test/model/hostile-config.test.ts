/**
 * Hostile quantization configurations: every place and key, and the sections of methods that are not read. Oracle: the rules
 * of docs/security.md: a typed refusal or a finding, bounded text, and time that grows with the input.
 */
import { isCodecError, type MemoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { examineModel, openModel, parseTarget, planConversion } from "../../src/index.ts";
import { hfDirectory, type StoredTensor, type Weights } from "../hf-directory.ts";

const MODULE = "model.layers.0.self_attn.q_proj";
const zeros = (encoding: string, shape: readonly number[], unit: number): StoredTensor => ({
  encoding,
  shape,
  bytes: new Uint8Array(shape.reduce((product, size) => product * size, unit)),
});
const gptq: Weights = new Map([
  [`${MODULE}.qweight`, zeros("I32", [4, 8], 4)],
  [`${MODULE}.qzeros`, zeros("I32", [1, 1], 4)],
  [`${MODULE}.scales`, zeros("F16", [1, 8], 2)],
]);
const floats: Weights = new Map([[`${MODULE}.weight`, zeros("F32", [8, 32], 4)]]);
const sound = { quant_method: "gptq", bits: 4, group_size: 32, sym: true, desc_act: false };

/** In a bounded number of steps each: no refusal but a typed one, and no text longer than a message. */
async function survives(store: MemoryStore): Promise<void> {
  try {
    const model = await openModel({ store });
    for (const { message } of model.findings) expect(message.length).toBeLessThanOrEqual(2000);
    await planConversion(model, parseTarget("safetensors:f32"));
  } catch (error) {
    if (!isCodecError(error)) throw error;
    expect(error.message.length).toBeLessThanOrEqual(2000);
  }
  const { findings } = await examineModel({ store });
  for (const { message } of findings) {
    expect(message.length).toBeLessThanOrEqual(2000);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(message).not.toMatch(/[\u0000-\u001f\u202e]/);
  }
}

const deep = (depth: number): unknown => JSON.parse(`${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`);
const long = "k".repeat(100_000);

const values: Readonly<Record<string, unknown>> = {
  "a text": "x",
  "a long text": long,
  "a text that steers a terminal": "\u001b[2J\u202e",
  "a number": 1e300,
  "a negative number": -1,
  "a fraction": 3.7,
  "a flag": true,
  "a list": [[], {}, null],
  "a deep object": deep(500),
  "an object with keys of prototypes": JSON.parse(
    '{"__proto__": {"bits": 2}, "constructor": 1, "toString": {}}',
  ),
  "an object of many keys": Object.fromEntries(Array.from({ length: 5000 }, (_, index) => [`k${index}`, {}])),
  "an object with a long key": { [long]: { [long]: long } },
};

const keys = [
  "quant_method",
  "bits",
  "group_size",
  "sym",
  "desc_act",
  "dynamic",
  "checkpoint_format",
  "pack_dtype",
  "meta",
  "packing_format",
  "extra_config",
  "data_type",
  "config_groups",
  "ignore",
  "transform_config",
  "sparsity_config",
  "kv_cache_scheme",
  "modules_to_not_convert",
  "version",
  "quant_algo",
  "rotation_config",
  "load_in_4bit",
];

const methods = [
  "gptq",
  "awq",
  "auto-round",
  "compressed-tensors",
  "exl2",
  "bitsandbytes",
  "modelopt",
  "fp8",
];

type Place = (settings: unknown) => readonly [config: object, files: Readonly<Record<string, string>>];

const places: Readonly<Record<string, Place>> = {
  quantization_config: (settings) => [{ quantization_config: settings }, {}],
  compression_config: (settings) => [{ compression_config: settings }, {}],
  quantization: (settings) => [{ quantization: settings, quantization_config: sound }, {}],
  text_config: (settings) => [{ text_config: { quantization_config: settings } }, {}],
  thinker_config: (settings) => [{ thinker_config: { quantization_config: settings } }, {}],
  "quantize_config.json": (settings) => [{}, { "quantize_config.json": JSON.stringify(settings) }],
  "quantization_config.json": (settings) => [{}, { "quantization_config.json": JSON.stringify(settings) }],
  "quant_config.json": (settings) => [{}, { "quant_config.json": JSON.stringify(settings) }],
  "hf_quant_config.json": (settings) => [
    { quantization_config: sound },
    { "hf_quant_config.json": JSON.stringify({ quantization: settings }) },
  ],
};

function store(tensors: Weights, [config, files]: ReturnType<Place>): Promise<MemoryStore> {
  const json = { architectures: ["LlamaForCausalLM"], model_type: "llama", ...config };
  return hfDirectory(tensors, { "config.json": JSON.stringify(json), ...files });
}

describe.each(Object.keys(places))("a hostile configuration in %s", (place) => {
  it.each(Object.keys(values))("that is %s", async (name) => {
    for (const tensors of [gptq, floats]) {
      const at = places[place];
      if (at !== undefined) await survives(await store(tensors, at(values[name])));
    }
  });
});

describe.each(keys)("a hostile value of %s", (key) => {
  it.each(Object.keys(values))("%s", async (name) => {
    for (const method of methods) {
      const settings = { ...sound, quant_method: method, config_groups: {}, [key]: values[name] };
      await survives(await store(gptq, [{ quantization_config: settings }, {}]));
    }
  });
});

it("files that are no JSON are refused by name", async () => {
  for (const name of ["quantize_config.json", "quantization_config.json", "hf_quant_config.json"]) {
    const from = await store(gptq, [{}, { [name]: "<html>" }]);
    await expect(openModel({ store: from })).rejects.toMatchObject({
      code: "FORMAT",
      path: expect.stringContaining(name),
    });
  }
});
