/**
 * gpt-oss's experts, which a checkpoint stores as pairs of tensors, each matrix transposed against its float form. Oracle: ggml's MXFP4, which the vectors of @requant/gguf prove: what
 * is read from the pairs must be what is read from the GGUF.
 */
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  hashModel,
  type Model,
  openModel,
  type PlanOptions,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";

const path = fileURLToPath(new URL("../../../../fixtures/arch/gpt-oss-tiny", import.meta.url));
let source: Model;
let gguf: Model;

async function converted(model: Model, target: string, options: PlanOptions = {}): Promise<MemoryStore> {
  const store = memoryStore({ name: target });
  const plan = await planConversion(model, parseTarget(target), { outputName: "o", ...options });
  await runPlan(plan, model, store);
  return store;
}

beforeAll(async () => {
  source = await openModel({ store: directoryStore(path) });
  gguf = await openModel({ store: await converted(source, "gguf:auto", { exact: true }), file: "o.gguf" });
});
afterAll(() => source.close());

const isExpert = (name: string): boolean => name.endsWith("_exps.weight");

describe("the experts of gpt-oss", () => {
  it("hold the same numbers as pairs and as blocks", async () => {
    const report = await verifyModels(source, gguf);
    expect(report).toMatchObject({ equal: true, onlyInA: [], onlyInB: [], shapesDiffer: [] });
    expect(report.tensors.filter(({ name }) => isExpert(name)).map(({ to }) => to)).toEqual(
      Array.from({ length: 6 }, () => "MXFP4"),
    );
  });

  it.each([
    ["F32", "exact"],
    ["Q4_0", "requantized"],
  ])("as %s are %s, with the values that the blocks give", async (type, fidelity) => {
    const options: PlanOptions = {
      allowRequantize: true,
      tensorTypes: [{ pattern: "_exps", type }],
    };
    const plan = await planConversion(source, parseTarget("gguf:q8_0"), options);
    const experts = plan.tensors.filter(({ name }) => isExpert(name));
    expect(experts.map(({ to }) => to)).toEqual(Array.from({ length: 6 }, () => type));
    expect([...new Set(experts.map((tensor) => tensor.fidelity))]).toEqual([fidelity]);
    const [fromPairs, fromBlocks] = await Promise.all(
      [source, gguf].map(async (model) =>
        openModel({ store: await converted(model, "gguf:q8_0", options), file: "o.gguf" }),
      ),
    );
    const report = await verifyModels(fromPairs as Model, fromBlocks as Model);
    // a pair has −0, which ggml's blocks read as 0
    expect(report).toMatchObject({ equal: true, onlyInA: [], onlyInB: [], shapesDiffer: [] });
  });

  it.each(["Q8_0", "Q5_0"])("keep their values in %s", async (type) => {
    const options: PlanOptions = { allowRequantize: true, tensorTypes: [{ pattern: "_exps", type }] };
    const plan = await planConversion(source, parseTarget("gguf:q8_0"), options);
    const experts = plan.tensors.filter(({ name }) => isExpert(name));
    expect(experts.map(({ to, fidelity, way }) => [to, fidelity, way.kind])).toEqual(
      Array.from({ length: 6 }, () => [type, "exact", "view"]),
    );
    const made = await openModel({ store: await converted(source, "gguf:q8_0", options), file: "o.gguf" });
    const report = await verifyModels(gguf, made);
    const compared = report.tensors.filter(({ name }) => isExpert(name));
    expect(compared.map(({ to, equal }) => [to, equal])).toEqual(
      Array.from({ length: 6 }, () => [type, true]),
    );
  });

  describe("as floats", () => {
    const experts = ["down_proj", "gate_up_proj"].map((part) => `model.layers.0.mlp.experts.${part}`);

    it.each(["bf16", "f32"])(
      "safetensors:%s has the names and shapes of transformers, and every value",
      async (type) => {
        const plan = await planConversion(source, parseTarget(`safetensors:${type}`), {
          exact: type === "f32",
        });
        const found = plan.tensors.filter(({ name }) => experts.includes(name));
        expect(found.map(({ name, shape, fidelity }) => [name, shape, fidelity])).toEqual([
          [experts[0], [4, 64, 64], "exact"],
          [experts[1], [4, 64, 128], "exact"],
        ]);
        const store = memoryStore({ name: "floats" });
        await runPlan(plan, source, store);
        const floats = await openModel({ store });
        expect(floats.tensors.some(({ linear }) => linear !== undefined)).toBe(false);
        expect(JSON.parse(new TextDecoder().decode(store.files.get("config.json")))).not.toHaveProperty(
          "quantization_config",
        );
        expect(await verifyModels(source, floats)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
        const [ofPairs, ofFloats] = await Promise.all(
          [source, floats].map(async (model) => (await hashModel(model, { values: true })).values?.sha256),
        );
        expect(ofPairs).toBe(ofFloats);
        // through GGUF, whose experts are other rows of other tensors
        const store2 = await converted(gguf, `safetensors:${type}`);
        expect(await verifyModels(floats, await openModel({ store: store2 }))).toMatchObject({ equal: true });
      },
    );

    it("are known to be so from the scales alone", async () => {
      const { packed } = source.weight(`${experts[0]}.weight`);
      expect((await packed?.examine())?.exactIn).toEqual(["BF16", "F16"]);
    });
  });

  it("as blocks of a GGUF keep their values in Q8_0", async () => {
    const options: PlanOptions = { exact: true, allowRequantize: true };
    const plan = await planConversion(gguf, parseTarget("gguf:q8_0"), {
      ...options,
      tensorTypes: [
        { pattern: "_exps", type: "Q8_0" },
        { pattern: ".*", type: "F32" },
      ],
    });
    const experts = plan.tensors.filter(({ name }) => isExpert(name));
    expect(experts.map(({ fidelity, way }) => [fidelity, way.kind])).toEqual(
      Array.from({ length: 6 }, () => ["exact", "view"]),
    );
    const store = memoryStore({ name: "exact" });
    await runPlan(plan, gguf, store);
    const back = await openModel({ store, file: plan.files[0]?.name ?? "" });
    expect(await verifyModels(gguf, back)).toMatchObject({ equal: true });
  });

  it("are not quantized again unless that is asked for", async () => {
    await expect(planConversion(source, parseTarget("gguf:q4_k_m"))).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("is MXFP4 already"),
    });
  });

  it.each(["gptq:4bit-32g-sym", "awq:gemm-32g", "exl2:4.5bpw-h6"])(
    "are no linear layers for %s, and what stands beside them stays in floats",
    async (target) => {
      await expect(planConversion(source, parseTarget(target))).rejects.toMatchObject({
        code: "CONVERSION",
        message: expect.stringMatching(/^There are no linear layers that \w+ could pack/),
      });
    },
  );

  it("are floats beside layers that are packed on demand", async () => {
    const plan = await planConversion(source, parseTarget("gptq:4bit-32g-sym"), { requantizeRest: true });
    const found = plan.tensors.filter(({ name }) => name.includes(".experts.") && !name.endsWith("_bias"));
    expect([...new Set(found.map(({ name }) => name.replace(/.*experts\./, "")))]).toEqual([
      "down_proj",
      "gate_up_proj",
    ]);
    expect(plan.tensors.filter(({ linear }) => linear !== undefined).length).toBeGreaterThan(0);
  });
});
