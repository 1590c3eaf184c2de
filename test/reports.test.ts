/**
 * Cases from public bug reports (golden set, `reports`): each as its `expected.md` asks. Oracle: the formulas there. The
 * inputs are made here, so that the cases run without Python and without the golden set.
 */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import {
  compressed,
  eightBit,
  float8,
  fourBit,
  gptq,
  mlx,
  numbers,
  type Projection,
  type ReportInput,
  reportCase,
  SIDE,
  ternary,
  wide,
  withoutPart,
} from "../fixtures/report-cases.ts";
import {
  float8 as ctFloat8,
  int8,
  nvfp4 as nvfp4Weight,
  timesHadamard,
} from "../fixtures/report-compressed.ts";
import {
  examineModel,
  hashModel,
  inspectModel,
  openModel,
  parseTarget,
  planConversion,
  planFakeQuantize,
  runPlan,
  tensorStatistics,
  verifyModels,
} from "../packages/convert/src/index.ts";
import { memoryStore } from "../packages/core/src/index.ts";

const autoRound = (packing_format: string): object => ({
  quantization_config: {
    quant_method: "auto-round",
    bits: 4,
    group_size: SIDE,
    sym: false,
    data_type: "int",
    packing_format,
    autoround_version: "0.7.0",
    iters: 200,
  },
});
const gptqConfig = (rest: object): object => ({
  bits: 4,
  group_size: SIDE,
  sym: true,
  desc_act: false,
  quant_method: "gptq",
  ...rest,
});
const method = (quant_method: string, rest: object = {}): object => ({
  quantization_config: { quant_method, ...rest },
});
const ctConfig = (rest: object = {}): object => ({
  quant_method: "compressed-tensors",
  format: "pack-quantized",
  ignore: ["lm_head"],
  config_groups: {
    group_0: {
      targets: ["Linear"],
      weights: { num_bits: 4, type: "int", symmetric: true, strategy: "channel" },
    },
  },
  ...rest,
});
const ctGroups = (symmetric: boolean): object => ({
  config_groups: {
    group_0: { targets: ["Linear"], weights: { num_bits: 4, type: "int", symmetric, strategy: "channel" } },
  },
});
const range = (count: number): number[] => Array.from({ length: count }, (_, index) => index);
const zeroPoint = (row: number): number => (row % 16) - 8;

/** Zero points whose fields are all 0: W = code − 1, where the symmetric ones would give code − 8. */
function zeroFields(): Projection {
  const { parts, values = [] } = gptq(true, true);
  const fields = numbers("I32", [1, SIDE / 8], new Array<number>(SIDE / 8).fill(0));
  return { parts: { ...parts, ".qzeros": fields }, values: values.map((value) => value + 7) };
}

const always = (projection: Projection) => (): Projection => projection;

const halves = (count: number): number[] => new Array<number>(count).fill(0.5);
/** One half as BF16. */
const BF16_HALF = 0x3f00;
/** A configuration of compressed-tensors with one group. */
const ctGroup = (format: string, weights: object, rest: object = {}): object => ({
  quantization_config: ctConfig({
    format,
    config_groups: { group_0: { targets: ["Linear"], weights: { symmetric: true, ...weights } } },
    ...rest,
  }),
});
const rotated = compressed();

const read: Readonly<Record<string, ReportInput>> = {
  "linear/01-autoround-asym-zeros, zeros as they are": {
    projection: always(gptq(false, false)),
    config: autoRound("auto_round"),
  },
  "linear/01-autoround-asym-zeros, zeros less one": {
    projection: always(gptq(false, true)),
    config: autoRound("auto_round:auto_gptq"),
  },
  "linear/02-autoround-mixed-bits": {
    projection: (module) => (module.endsWith("o_proj") ? undefined : gptq(true, true)),
    config: {
      quantization_config: {
        ...gptqConfig({ quant_method: "auto-round", packing_format: "auto_round:auto_gptq" }),
        extra_config: { "model.layers.0.self_attn.o_proj": { bits: 16 } },
      },
    },
  },
  "linear/03-gptq-v2-zeros-labelled-v1": {
    projection: always(gptq(true, false)),
    config: { quantization_config: gptqConfig({ checkpoint_format: "gptq" }) },
  },
  "linear/04-gptq-sym-empty-qzeros, empty": {
    projection: always(gptq(true, true, { ".qzeros": numbers("I32", [1, 0], []) })),
    config: { quantization_config: gptqConfig({ checkpoint_format: "gptq" }) },
  },
  "linear/04-gptq-sym-empty-qzeros, absent": {
    projection: always(withoutPart(gptq(true, true), ".qzeros")),
    config: { quantization_config: gptqConfig({ checkpoint_format: "gptq" }) },
  },
  // as GPTQModel and exllama read them: a field of 0 is the zero point 1
  "linear/04-gptq-sym-empty-qzeros, all zero": {
    projection: always(zeroFields()),
    config: { quantization_config: gptqConfig({ checkpoint_format: "gptq" }) },
  },
  "linear/05-tgi-gptq-config-tensors": {
    projection: always(gptq(true, true)),
    tensors: { gptq_bits: wide([1], [4]), gptq_groupsize: wide([1], [SIDE]), gptq_sym: wide([1], [1]) },
  },
  "linear/06-ct-kimi-int32-shape": {
    projection: always(compressed({ ".weight_shape": numbers("I32", [2], [SIDE, SIDE]) })),
    config: { quantization_config: ctConfig() },
  },
  "linear/08-ct-int8-zero-points, asymmetric": {
    projection: always(
      compressed({ ".weight_zero_point": numbers("I8", [SIDE, 1], range(SIDE).map(zeroPoint)) }, zeroPoint),
    ),
    config: { quantization_config: ctConfig(ctGroups(false)) },
  },
  "linear/08-ct-int8-zero-points, symmetric": {
    projection: always(
      compressed({ ".weight_zero_point": numbers("I8", [SIDE, 1], new Array<number>(SIDE).fill(0)) }),
    ),
    config: { quantization_config: ctConfig() },
  },
  "linear/08-ct-int8-zero-points, asymmetric without them": {
    projection: always(compressed()),
    config: { quantization_config: ctConfig(ctGroups(false)) },
  },
  "linear/16-nested-text-config, gptq": {
    projection: always(gptq(false, false)),
    config: {
      text_config: { quantization_config: gptqConfig({ sym: false, checkpoint_format: "gptq_v2" }) },
    },
  },
  "linear/16-nested-text-config, compressed-tensors": {
    projection: always(compressed()),
    config: { text_config: { quantization_config: ctConfig() } },
  },
  "linear/13-fp8-block-weight-scale-inv, gguf/01-fp8-block-scale-inv": {
    projection: always(float8({ ".weight_scale_inv": numbers("F32", [2, 4], halves(8)) })),
    config: method("fp8", { weight_block_size: [16, 8] }),
  },
  "linear/18-autoround-int4-fp8-hybrid": {
    projection: (module) =>
      module.includes("self_attn")
        ? float8({ ".weight_scale_inv": numbers("F32", [1, 1], halves(1)) })
        : gptq(true, true),
    config: {
      quantization_config: {
        ...gptqConfig({ quant_method: "auto-round", packing_format: "auto_round:auto_gptq" }),
        extra_config: { ".*self_attn.*": { bits: 16 } },
      },
    },
  },
  "gguf/18-fp8-per-tensor-activation-scale, in": {
    projection: always(
      float8({
        ".weight_scale_inv": numbers("BF16", [], [BF16_HALF]),
        ".activation_scale": numbers("BF16", [], [BF16_HALF]),
      }),
    ),
    config: method("fp8", { activation_scheme: "static", weight_block_size: null }),
  },
  "gguf/18-fp8-per-tensor-activation-scale, qscale": {
    projection: always(
      float8({
        ".qscale_weight": numbers("F32", [], halves(1)),
        ".qscale_act": numbers("F32", [], halves(1)),
      }),
    ),
  },
  "linear/09-ct-online-hadamard": {
    projection: always({ ...rotated, values: timesHadamard(rotated.values ?? []) }),
    config: {
      quantization_config: ctConfig({
        transform_config: {
          config_groups: {
            v: {
              type: "hadamard",
              head_dim: SIDE,
              apply: [
                { location: "input", targets: ["Linear"], ignore: ["lm_head"] },
                { location: "weight_input", targets: ["Linear"], inverse: true },
                { location: "q_attn", targets: ["re:.*self_attn$"] },
              ],
            },
          },
        },
      }),
    },
  },
  "linear/11-ct-mixed-precision": {
    projection: (module) => (module.includes("self_attn") ? ctFloat8([SIDE, 1]) : compressed()),
    config: {
      quantization_config: ctConfig({
        format: "mixed-precision",
        config_groups: {
          group_0: {
            format: "float-quantized",
            targets: ["re:.*self_attn.*"],
            weights: { num_bits: 8, type: "float", strategy: "channel", symmetric: true },
            input_activations: { num_bits: 8, type: "float", strategy: "token", dynamic: true },
          },
          group_1: {
            format: "pack-quantized",
            targets: ["re:.*mlp.*"],
            weights: { num_bits: 4, type: "int", strategy: "channel", symmetric: true },
          },
        },
      }),
    },
  },
  "linear/12-ct-w8a8-int8": {
    projection: always(int8(true)),
    config: ctGroup("int-quantized", { num_bits: 8, type: "int", strategy: "channel" }),
  },
  "linear/12-ct-w8a8-int8, asymmetric": {
    projection: always(int8(false)),
    config: ctGroup("int-quantized", { num_bits: 8, type: "int", strategy: "channel", symmetric: false }),
  },
  "gguf/18-fp8-per-tensor-activation-scale, ct": {
    projection: always(ctFloat8()),
    config: ctGroup("float-quantized", { num_bits: 8, type: "float", strategy: "tensor" }),
  },
  "gguf/25-nvfp4, compressed-tensors": {
    projection: always(nvfp4Weight()),
    config: ctGroup("nvfp4-pack-quantized", {
      num_bits: 4,
      type: "float",
      strategy: "tensor_group",
      group_size: 16,
    }),
  },
  "linear/15-mlx-4bit, gguf/02-mlx-4bit": {
    projection: always(mlx()),
    config: { quantization: { group_size: 32, bits: 4 }, quantization_config: { group_size: 32, bits: 4 } },
  },
  "linear/23-quantized-head-embedding": {
    projection: always(gptq(true, true)),
    config: { quantization_config: gptqConfig({ lm_head: true }) },
  },
  "linear/14-bnb-int8-scb": {
    projection: always(eightBit()),
    config: method("bitsandbytes", { load_in_8bit: true }),
  },
  "gguf/03-bnb-nf4": {
    projection: always(fourBit()),
    config: method("bitsandbytes", { load_in_4bit: true, bnb_4bit_quant_type: "nf4" }),
  },
  "gguf/16-bitnet-packed": {
    projection: always(ternary()),
    config: method("bitnet", { modules_to_not_convert: ["lm_head"] }),
  },
};

describe.each(Object.keys(read))("%s", (name) => {
  it.each(["safetensors:f32", "gguf:auto", "gguf:f32"])("has the right values as %s", async (target) => {
    const { store, values } = await reportCase(read[name] ?? {});
    const model = await openModel({ store });
    const output = memoryStore({ name: "output" });
    const plan = await planConversion(model, parseTarget(target));
    await runPlan(plan, model, output);
    const made = await openModel({ store: output, file: plan.files[0]?.name });
    const { tensors } = await verifyModels(model, made);
    expect(tensors.every(({ equal }) => equal)).toBe(true);
    expect(values.size).toBeGreaterThan(0);
    for (const [tensor, right] of values) {
      const out = new Float32Array(right.length);
      await model.weight(tensor).readRows(0, SIDE, out);
      expect([...out], tensor).toEqual(right);
    }
  });

  it("has no errors for the doctor", async () => {
    const { store } = await reportCase(read[name] ?? {});
    const { findings } = await examineModel({ store });
    expect(findings.filter(({ severity }) => severity === "error")).toEqual([]);
  });
});

const fp8 = numbers("F8_E4M3", [SIDE, SIDE]);
const nvfp4 = { packed: numbers("U8", [SIDE, SIDE / 2]), scale: numbers("F8_E4M3", [SIDE, SIDE / 16]) };
const ones = (encoding: string, ...shape: number[]): ReturnType<typeof numbers> => numbers(encoding, shape);

interface Refused extends ReportInput {
  readonly says: RegExp;
}
const refused: Readonly<Record<string, Refused>> = {
  "linear/09-ct-online-hadamard, random": {
    projection: always(compressed()),
    config: {
      quantization_config: ctConfig({
        transform_config: {
          config_groups: {
            v: { type: "random-hadamard", apply: [{ location: "input", targets: ["Linear"] }] },
          },
        },
      }),
    },
    says: /transform_config "v" at "input"/,
  },
};

describe.each(Object.keys(refused))("%s", (name) => {
  it("is refused by name by every command that would show or copy values", async () => {
    const { says, ...input } = refused[name] ?? { says: /never/ };
    const { store } = await reportCase(input);
    const model = await openModel({ store });
    const refusal = { code: "UNSUPPORTED", message: expect.stringMatching(says) };
    const targets = ["safetensors:f32", "safetensors:bf16", "gguf:auto", "gguf:q8_0", "gptq:4bit-32g-sym"];
    for (const target of targets) {
      await expect(planConversion(model, parseTarget(target)), target).rejects.toMatchObject(refusal);
    }
    await expect(planFakeQuantize(model, parseTarget("gguf:q4_0"))).rejects.toMatchObject(refusal);
    await expect(verifyModels(model, model)).rejects.toMatchObject(refusal);
    await expect(hashModel(model, { values: true })).rejects.toMatchObject(refusal);
    const packed = model.unclaimed[0]?.tensors[0] ?? "";
    await expect(tensorStatistics(model, packed)).rejects.toMatchObject(refusal);
    for (const findings of [(await inspectModel(model)).findings, (await examineModel({ store })).findings]) {
      const named = findings.filter(({ code }) => code === "not-read");
      expect(named.map(({ message }) => message)).toEqual([expect.stringMatching(says)]);
      expect(JSON.stringify(findings)).not.toMatch(/--like|Download/);
    }
  });
});

it("gguf/25-nvfp4, modelopt: is read by hf_quant_config.json alone", async () => {
  const { store } = await reportCase({
    projection: always({
      parts: {
        ".weight": nvfp4.packed,
        ".weight_scale": nvfp4.scale,
        ".weight_scale_2": ones("F32"),
        ".input_scale": ones("F32"),
      },
    }),
    files: {
      "hf_quant_config.json": JSON.stringify({ quantization: { quant_algo: "NVFP4", group_size: 16 } }),
    },
  });
  const model = await openModel({ store });
  expect(model.unclaimed).toEqual([]);
  expect(model.format).toBe("nvfp4");
  const plan = await planConversion(model, parseTarget("safetensors:f32"));
  expect(plan.tensors.filter(({ from }) => from === "NVFP4-16g").length).toBeGreaterThan(0);
  expect(await verifyModels(model, model)).toMatchObject({ equal: true });
});

it("gguf/03-bnb-nf4, merged: floats are converted, and the configuration left behind is not", async () => {
  const { store } = await reportCase({ config: method("bitsandbytes", { load_in_4bit: true }) });
  const model = await openModel({ store });
  const output = memoryStore({ name: "output" });
  const plan = await planConversion(model, parseTarget("safetensors:f32"));
  await runPlan(plan, model, output);
  expect(plan.findings.map(({ message }) => message).join("\n")).toMatch(/bitsandbytes.*is not written/);
  expect(new TextDecoder().decode(output.files.get("config.json"))).not.toContain("bitsandbytes");
  expect((await planConversion(model, parseTarget("gguf:bf16"))).tensors).toHaveLength(model.tensors.length);
});

it("gguf/18-fp8-per-tensor-activation-scale, cast: the values are those of the codes", async () => {
  const { store } = await reportCase({ projection: always({ parts: { ".weight": fp8 } }) });
  const plan = await planConversion(await openModel({ store }), parseTarget("gguf:f32"));
  expect(plan.tensors.every(({ fidelity }) => fidelity === "copy" || fidelity === "exact")).toBe(true);
});

it("gguf/14-bf16-overflow-f16: a finite weight that F16 does not hold is refused by name and index", async () => {
  // 0x47c0 is 98304 in BF16
  const values = Array.from({ length: SIDE * SIDE }, (_, index) => (index === 101 ? 0x47c0 : 0x3c00));
  const name = "model.layers.0.mlp.up_proj.weight";
  const { store } = await reportCase({ tensors: { [name]: numbers("BF16", [SIDE, SIDE], values) } });
  for (const target of ["gguf:f16", "safetensors:f16"]) {
    const model = await openModel({ store });
    const plan = await planConversion(model, parseTarget(target));
    await expect(runPlan(plan, model, memoryStore({ name: "o" })), target).rejects.toMatchObject({
      code: "CONVERSION",
      index: 101,
      message: expect.stringContaining("98304"),
    });
  }
});

it("gguf/27-model-card-odd: a front matter of nulls, numbers and lists does not stop a conversion", async () => {
  const readme =
    "---\nlicense: other\ntags:\ndatasets: []\nmodel_name: 7\nquantized_by: null\nmodel-index:\n- name: x\n---\n";
  const { store } = await reportCase({ files: { "README.md": readme } });
  const plan = await planConversion(await openModel({ store }), parseTarget("gguf:f16"));
  expect(plan.files).toHaveLength(1);
});

it.each([32, 16, 8])("gguf/33-rope-freqs-back: factor %d comes back", async (factor) => {
  const rope_scaling = {
    factor,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 64,
    rope_type: "llama3",
  };
  const { store } = await reportCase({ config: { rope_scaling, rope_theta: 500000 } });
  const there = memoryStore({ name: "there" });
  const model = await openModel({ store });
  const plan = await planConversion(model, parseTarget("gguf:f16"));
  await runPlan(plan, model, there);
  const gguf = await openModel({ store: there, file: plan.files[0]?.name });
  const back = memoryStore({ name: "back" });
  await runPlan(await planConversion(gguf, parseTarget("safetensors:f16")), gguf, back);
  const config = JSON.parse(new TextDecoder().decode(back.files.get("config.json")));
  expect(config.rope_scaling).toMatchObject({ factor, rope_type: "llama3" });
});

/** The names of a sound model, as a wrapper or a bare base model has them. */
const PREFIXES: Readonly<Record<string, (name: string) => string>> = {
  "no prefix": (name) => name.replace(/^model\./, ""),
  "torch.compile": (name) => `_orig_mod.${name}`,
  PEFT: (name) => `base_model.model.${name}`,
  DataParallel: (name) => `module.${name}`,
  "a language model in a wrapper": (name) => name.replace(/^model\./, "model.language_model."),
};

it.each(Object.keys(PREFIXES))("gguf/15-prefixes: names with the prefixes of %s", async (kind) => {
  const plain = await reportCase({});
  const right = await planConversion(await openModel({ store: plain.store }), parseTarget("gguf:f32"));
  const { store } = await reportCase({ rename: PREFIXES[kind] });
  const plan = await planConversion(await openModel({ store }), parseTarget("gguf:f32"));
  const shapes = ({ tensors }: typeof plan): unknown =>
    Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]));
  expect(shapes(plan)).toEqual(shapes(right));
});

it("gguf/15-prefixes: a LlamaModel", async () => {
  const { store } = await reportCase({ config: { architectures: ["LlamaModel"] } });
  expect((await planConversion(await openModel({ store }), parseTarget("gguf:f32"))).tensors).not.toEqual([]);
});

it("gguf/04-lora-adapter: an adapter is called so, and not taken for a model without config.json", async () => {
  const factor = numbers("F32", [2, SIDE]);
  const { store } = await reportCase({
    tensors: { "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight": factor },
  });
  store.files.delete("config.json");
  for (const target of ["gguf:bf16", "gptq:4bit-32g-sym"]) {
    await expect(
      planConversion(await openModel({ store }), parseTarget(target)),
      target,
    ).rejects.toMatchObject({ code: "UNSUPPORTED", message: expect.stringContaining("LoRA adapter") });
  }
});

/** Cases whose tests stand elsewhere. */
const elsewhere: readonly (readonly [prefixes: readonly string[], file: string])[] = [
  [["gguf/06", "gguf/12", "gguf/21", "gguf/22", "gguf/23"], "test/reports-gguf.test.ts"],
  [["gguf/08", "gguf/09"], "packages/models/test/added-tokens.test.ts"],
  [["gguf/13"], "packages/gguf/test/imatrix.test.ts"],
  [["gguf/20"], "packages/models/test/bert.test.ts"],
  [["gguf/24"], "packages/models/test/gguf-gaps.test.ts"],
  [["gguf/26"], "packages/models/test/special-tokens.test.ts"],
  [["gguf/29"], "packages/models/test/tokenizer.test.ts"],
];

it("tests of other cases are where they are said to be", () => {
  for (const [, file] of elsewhere)
    expect(existsSync(join(import.meta.dirname, "..", file)), file).toBe(true);
});

const golden = process.env["REQUANT_GOLDEN"];

describe.skipIf(golden === undefined)("the golden set (skipped: REQUANT_GOLDEN is not set)", () => {
  it("has no case without a test", () => {
    const own = [...Object.keys(read), ...Object.keys(refused)].join();
    const here = ["gguf/04", "gguf/14", "gguf/15", "gguf/27", "gguf/33"];
    const known = [...here, ...elsewhere.flatMap(([prefixes]) => prefixes)];
    const unknown = ["linear", "gguf"].flatMap((part) => {
      const root = join(golden ?? "", "reports", part);
      return (existsSync(root) ? readdirSync(root) : [])
        .filter((name) => /^\d/.test(name))
        .map((name) => `${part}/${name}`)
        .filter((name) => !own.includes(name))
        .filter((name) => !known.some((start) => name.startsWith(start)));
    });
    expect(unknown).toEqual([]);
  });
});
