/** Packed weights: none of these formats can store a weight that is not finite. Oracle: the value planted, and where. */
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import {
  type FakeQuantizePlanOptions,
  type Model,
  openModel,
  parseTarget,
  planConversion,
  planFakeQuantize,
  runPlan,
} from "../../src/index.ts";
import { hfDirectory, readWeights } from "../hf-directory.ts";
import { floatDirectory } from "./packed-models.ts";
import { converted, refused } from "./planted.ts";

describe("packed targets", () => {
  const PROJ = "model.layers.0.mlp.up_proj.weight";
  /** Row 3, column 100 of 256. */
  const AT = 3 * 256 + 100;
  const targets = [
    "gptq:4bit-128g-sym",
    "gptq:4bit-128g-asym",
    "gptq:3bit-64g-sym",
    "gptq:8bit-128g-sym",
    "gptq:4bit-128g-sym-marlin",
    "awq:gemm-128g",
    "awq:gemv-128g",
    "awq:marlin-128g",
    "exl2:4.5bpw-h6",
    "compressed-tensors:4bit-128g-sym",
    "compressed-tensors:8bit-128g-asym",
  ];

  async function directoryWith(index: number, value: number): Promise<Model> {
    const store = await floatDirectory("F32");
    const model = await openModel({ store });
    const { byteOffset, file } = model.tensor(PROJ);
    const bytes = store.files.get(file) ?? new Uint8Array(0);
    bytes.set(new Uint8Array(new Float32Array([value]).buffer), byteOffset + 4 * index);
    return model;
  }

  it("names a weight that planning sees in the rows it samples", async () => {
    const model = await directoryWith(5, Number.NaN);
    await expect(planConversion(model, parseTarget("exl2:4.5bpw-h6"))).rejects.toMatchObject({
      code: "CONVERSION",
      reason: "non-finite",
      tensor: PROJ,
      index: 5,
      message: expect.stringMatching(/^Weight 5 \[0, 5\] of .* is NaN/),
    });
  });

  describe.each(targets)("%s", (target) => {
    it.each([Number.NaN, Number.NEGATIVE_INFINITY, 3.4e38])("refuses %s", async (value) => {
      const model = await directoryWith(AT, value);
      // a small band: the weight is not in the first one
      for (const allowNonFinite of [false, true]) {
        const error = await refused(model, target, {}, { bandByteLength: 32 * 1024, allowNonFinite });
        expect(error).toMatchObject({
          code: "CONVERSION",
          reason: "non-finite",
          tensor: PROJ,
          index: AT,
          path: "model.safetensors",
          offset: model.tensor(PROJ).byteOffset + 4 * AT,
          message: expect.stringMatching(/^Weight 868 \[3, 100\] of .* is /),
          hint: expect.stringContaining("safetensors:f32"),
        });
        expect(error).not.toHaveProperty("hint", expect.stringContaining("allowNonFinite"));
      }
    });
  });

  const wayThrough = async (
    target: string,
    index: number,
    options: FakeQuantizePlanOptions = {},
  ): Promise<unknown> => {
    const model = await directoryWith(index, Number.NaN);
    const plan = await planFakeQuantize(model, parseTarget(target), options);
    const store = memoryStore({ name: "fake" });
    return runPlan(plan, model, store).then(
      () => undefined,
      (reason: unknown) => {
        expect([...store.files.keys()]).toEqual([]);
        return reason;
      },
    );
  };

  it.each([...targets, "gguf:q4_0", "gguf:q4_k_m", "gguf:iq4_nl"])(
    "fake quantization through %s",
    async (target) => {
      for (const dtype of ["F32", "F16"] as const) {
        expect(await wayThrough(target, AT, { dtype })).toMatchObject({
          code: "CONVERSION",
          reason: "non-finite",
          tensor: PROJ,
          index: AT,
        });
      }
    },
  );
});

describe("packed sources", () => {
  const SOURCES = [
    "gptq:4bit-128g-sym",
    "awq:gemm-128g",
    "compressed-tensors:4bit-128g-sym",
    "exl2:4.5bpw-h6",
  ];

  it("an infinite scale is refused before anything is written", async () => {
    for (const source of SOURCES) {
      const floats = await openModel({ store: await floatDirectory("F16") });
      const { store } = await converted(floats, source, {}, {}, "packed");
      const model = await openModel({ store });
      const scales = model.storedTensors.find(({ name }) =>
        /up_proj\.(scales|weight_scale|q_scale_max)$/.test(name),
      );
      const bytes = store.files.get(scales?.file ?? "") ?? new Uint8Array(0);
      bytes.set([0x00, 0x7c], scales?.byteOffset);
      for (const target of [
        "gguf:q4_0",
        "gguf:q8_0",
        "awq:gemm-128g",
        "gptq:4bit-128g-asym",
        "gguf:q4_k_m",
      ]) {
        const damaged = await openModel({ store });
        const out = memoryStore({ name: "out" });
        const run = planConversion(damaged, parseTarget(target), {
          outputName: "o",
          allowRequantize: true,
        }).then((plan) => runPlan(plan, damaged, out));
        await expect(run, `${source} to ${target}`).rejects.toMatchObject({
          message: expect.stringMatching(/Infinity/),
        });
        expect([...out.files.keys()]).toEqual([]);
      }
    }
  });
});

describe("MXFP4 as pairs of tensors", () => {
  const path = fileURLToPath(new URL("../../../../fixtures/arch/gpt-oss-tiny", import.meta.url));

  it("a scale with which codes are infinite is refused, also where blocks are only put together", async () => {
    const weights = await readWeights(path);
    const files = ["config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"];
    const sideFiles = Object.fromEntries(
      await Promise.all(files.map(async (name) => [name, await readFile(`${path}/${name}`)] as const)),
    );
    const model = await openModel({ store: await hfDirectory(weights, sideFiles) });
    await converted(model, "gguf:mxfp4_moe");
    const name = "model.layers.0.mlp.experts.down_proj_scales";
    const scales = weights.get(name);
    // 2^(255 − 127): codes of 1 and more are beyond F32
    scales?.bytes.fill(255, 3, 4);
    const damaged = await openModel({ store: await hfDirectory(weights, sideFiles) });
    for (const [target, options] of [
      ["gguf:mxfp4_moe", {}],
      ["gguf:q8_0", { allowRequantize: true, tensorTypes: [{ pattern: "_exps", type: "Q8_0" }] }],
    ] as const) {
      expect(await refused(damaged, target, options)).toMatchObject({
        code: "CONVERSION",
        reason: "non-finite",
        tensor: "blk.0.ffn_down_exps.weight",
        // the fourth block of 32
        index: expect.toSatisfy((index) => index >= 96 && index < 128),
      });
    }
  });
});
