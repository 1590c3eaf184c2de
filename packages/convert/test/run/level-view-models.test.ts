/**
 * GGUF models of types with levels and offsets, planned, converted with `exact`, opened again and compared weight by
 * weight in f32. The decoders on both sides are proven by ggml's vectors.
 */
import { memoryStore } from "@requant/core";
import { beforeAll, describe, expect, test } from "vitest";
import {
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { floatDirectory } from "./packed-models.ts";

const LINEAR = /^blk\.\d+\.(?:attn|ffn)_(?!norm)[a-z]+\.weight$/;

/** The layers' matrices as one type, everything else as it is. */
function typesOf(type: string): { pattern: string; type: string }[] {
  return [
    { pattern: "blk.*_(q|k|v|output|gate|up|down)\\.weight", type },
    { pattern: ".*", type: "F32" },
  ];
}

async function ggufOf(type: string): Promise<Model> {
  const source = await openModel({ store: await floatDirectory("F32") });
  const store = memoryStore({ name: type });
  const plan = await planConversion(source, parseTarget("gguf:q8_0"), {
    outputName: "o.gguf",
    tensorTypes: typesOf(type),
  });
  await runPlan(plan, source, store);
  const model = await openModel({ store, file: plan.files[0]?.name ?? "" });
  expect(model.tensors.filter(({ encoding }) => encoding === type)).toHaveLength(7);
  return model;
}

const models = new Map<string, Model>();
beforeAll(async () => {
  for (const type of ["Q4_1", "Q4_K", "IQ4_NL", "MXFP4", "NVFP4"]) models.set(type, await ggufOf(type));
});

function modelOf(type: string): Model {
  const model = models.get(type);
  if (model === undefined) throw new Error(`no model of ${type}`);
  return model;
}

describe("with exact", () => {
  test.each([
    ["Q4_1", "Q5_1"],
    ["IQ4_NL", "Q8_0"],
    ["MXFP4", "Q5_0"],
    ["MXFP4", "Q5_1"],
    ["MXFP4", "Q8_0"],
    ["MXFP4", "BF16"],
    ["NVFP4", "F16"],
  ])("a GGUF of %s becomes one of %s", async (from, to) => {
    const source = modelOf(from);
    const plan = await planConversion(source, parseTarget("gguf:q8_0"), {
      outputName: "o.gguf",
      exact: true,
      allowRequantize: true,
      tensorTypes: typesOf(to),
    });
    const changed = plan.tensors.filter(({ name }) => LINEAR.test(name));
    expect(changed.map((tensor) => [tensor.to, tensor.fidelity])).toEqual(
      Array.from({ length: 7 }, () => [to, "exact"]),
    );
    const store = memoryStore({ name: "out" });
    await runPlan(plan, source, store);
    const back = await openModel({ store, file: plan.files[0]?.name ?? "" });
    expect(await verifyModels(source, back)).toMatchObject({ equal: true });
  });

  test.each([
    ["IQ4_NL", "gptq:8bit-32g-sym"],
    ["MXFP4", "gptq:5bit-32g-sym"],
    ["MXFP4", "compressed-tensors:8bit-32g-sym"],
  ])("a GGUF of %s becomes %s", async (from, target) => {
    const source = modelOf(from);
    const plan = await planConversion(source, parseTarget(target), { exact: true });
    const packed = plan.tensors.filter(({ linear }) => linear !== undefined);
    expect(packed.map(({ fidelity, way }) => [fidelity, way.kind])).toEqual(
      Array.from({ length: 7 }, () => ["exact", "view"]),
    );
    const store = memoryStore({ name: "out" });
    await runPlan(plan, source, store);
    expect(await verifyModels(source, await openModel({ store }))).toMatchObject({ equal: true });
  });

  test.each([
    ["Q4_K", "gptq:8bit-32g-sym"],
    ["MXFP4", "gptq:4bit-32g-sym"],
  ])("a GGUF of %s is refused as %s, which would change it", async (from, target) => {
    await expect(planConversion(modelOf(from), parseTarget(target), { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
    });
  });
});
