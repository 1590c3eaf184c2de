/**
 * FP8 from one package's layout to that of another. Oracle: the bytes of the codes and scales that were made for the source,
 * which must arrive unchanged.
 */
import { type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { verifyModels } from "../../src/compare/verify.ts";
import type { Model } from "../../src/model/model.ts";
import { openModel } from "../../src/model/open.ts";
import { planConversion } from "../../src/plan/make-plan.ts";
import { parseTarget } from "../../src/plan/target.ts";
import { runPlan } from "../../src/run/run.ts";
import { type Float8Writer, float8Directories } from "../float8-directory.ts";
import type { Weights } from "../hf-directory.ts";
import { configOf, floatDirectory, linearModules, tokenizer } from "./packed-models.ts";

const SIZE = { keyValueHeads: 1, feedForward: 256 };
const linear = new Set(linearModules.map(([module]) => `${module}.weight`));

async function directory(writer: Float8Writer): Promise<MemoryStore> {
  const model = await openModel({ store: await floatDirectory("BF16", 1, SIZE) });
  const weights: Weights = new Map();
  for (const { name, shape, encoding, byteLength } of model.tensors) {
    weights.set(name, { shape, encoding, bytes: (await model.readBytes(name, 0, byteLength)).slice() });
  }
  const sideFiles = { "tokenizer.json": JSON.stringify(tokenizer) };
  const isPacked = (name: string): boolean => linear.has(name);
  return (await float8Directories(weights, sideFiles, configOf(SIZE), writer, isPacked)).packed;
}

async function converted(store: MemoryStore, target: string): Promise<MemoryStore> {
  const source = await openModel({ store });
  const out = memoryStore({ name: `as ${target}` });
  const plan = await planConversion(source, parseTarget(target), { exact: true });
  const own = plan.tensors.filter(({ linear: packed }) => packed !== undefined);
  expect(own).toHaveLength(linear.size);
  expect(own.filter(({ fidelity }) => fidelity !== "exact" && fidelity !== "copy")).toEqual([]);
  await runPlan(plan, source, out);
  return out;
}

/** The bytes of one part of every weight. */
async function partsOf(store: MemoryStore, suffix: string): Promise<Map<string, Uint8Array>> {
  const model: Model = await openModel({ store });
  const bytes = new Map<string, Uint8Array>();
  for (const [module] of linearModules) {
    const name = `${module}.${suffix}`;
    const stored = model.storedTensors.find((tensor) => tensor.name === name) ?? model.tensor(name);
    bytes.set(module, (await model.readBytes(name, 0, stored.byteLength)).slice());
  }
  return bytes;
}

async function expectSameValues(a: MemoryStore, b: MemoryStore): Promise<void> {
  const { equal } = await verifyModels(await openModel({ store: a }), await openModel({ store: b }));
  expect(equal).toBe(true);
}

const fbgemm = { quant_method: "fbgemm_fp8", activation_scale_ub: 1200, modules_to_not_convert: ["lm_head"] };
const blocks = { quant_method: "fp8", activation_scheme: "dynamic", weight_block_size: [128, 128] };

describe("exactly from the FP8 layout to compressed-tensors", () => {
  it("scales of rows", async () => {
    const source = await directory({
      scaleName: "weight_scale",
      block: "row",
      scale: "F32",
      quantizationConfig: fbgemm,
    });
    const out = await converted(source, "compressed-tensors:fp8-channel");
    for (const part of ["weight", "weight_scale"]) {
      expect(await partsOf(out, part), part).toEqual(await partsOf(source, part));
    }
    await expectSameValues(source, out);
  });

  it("a scale for a whole weight, which each row gets", async () => {
    const source = await directory({
      scaleName: "weight_scale",
      block: "weight",
      scale: "F32",
      scaleShape: () => [],
    });
    const out = await converted(source, "compressed-tensors:fp8-channel");
    expect(await partsOf(out, "weight")).toEqual(await partsOf(source, "weight"));
    await expectSameValues(source, out);
  });

  it("scales of blocks, and back", async () => {
    const source = await directory({
      scaleName: "weight_scale_inv",
      block: [128, 128],
      scale: "F32",
      quantizationConfig: blocks,
    });
    const there = await converted(source, "compressed-tensors:fp8-block");
    expect(await partsOf(there, "weight")).toEqual(await partsOf(source, "weight"));
    expect(await partsOf(there, "weight_scale")).toEqual(await partsOf(source, "weight_scale_inv"));
    const back = await converted(there, "fp8:block-128");
    for (const part of ["weight", "weight_scale_inv"]) {
      expect(await partsOf(back, part), part).toEqual(await partsOf(source, part));
    }
    await expectSameValues(there, back);
  });
});

it("rows of compressed-tensors do not become blocks, and the refusal says why", async () => {
  const rows = { scaleName: "weight_scale", block: "row", scale: "F32", quantizationConfig: fbgemm } as const;
  const there = await converted(await directory(rows), "compressed-tensors:fp8-channel");
  await expect(converted(there, "fp8:block-128")).rejects.toMatchObject({
    code: "CONVERSION",
    message: expect.stringContaining("each row has scales of its own"),
  });
});
