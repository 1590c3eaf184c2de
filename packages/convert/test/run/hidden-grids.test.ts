/**
 * Quantized models, stored as floats and converted back with `exact`: the oracle is the packed model that the floats came
 * from. Symmetric codes come back byte for byte, because every code occurs in every group.
 */
import { type MemoryStore, memoryStore } from "@requant/core";
import { describe, expect, it } from "vitest";
import { verifyModels } from "../../src/compare/verify.ts";
import { inspectModel } from "../../src/examine/inspect.ts";
import type { Model } from "../../src/model/model.ts";
import { openModel } from "../../src/model/open.ts";
import { planConversion } from "../../src/plan/make-plan.ts";
import type { PlanOptions } from "../../src/plan/plan-options.ts";
import { parseTarget } from "../../src/plan/target.ts";
import { runPlan } from "../../src/run/run.ts";
import { floatDirectory, linearModules, packedDirectory, type ViewOptions } from "./packed-models.ts";

async function open(store: MemoryStore): Promise<Model> {
  return openModel({ store, file: [...store.files.keys()].find((name) => name.endsWith(".gguf")) });
}

async function converted(store: MemoryStore, target: string, options: PlanOptions = {}) {
  const model = await open(store);
  const plan = await planConversion(model, parseTarget(target), { allowRequantize: true, ...options });
  const out = memoryStore({ name: `${store.name}, ${target.replace(":", "-")}` });
  return { plan, report: await runPlan(plan, model, out), out };
}

async function partBytes(store: MemoryStore, names: readonly string[]): Promise<Map<string, Uint8Array>> {
  const model = await open(store);
  const bytes = new Map<string, Uint8Array>();
  for (const name of names) {
    const stored = model.storedTensors.find((tensor) => tensor.name === name) ?? model.tensor(name);
    bytes.set(name, (await model.readBytes(name, 0, stored.byteLength)).slice());
  }
  return bytes;
}

interface Twin {
  readonly format: string;
  readonly words: readonly string[];
  readonly options: ViewOptions;
  readonly codes: string;
  readonly found: string;
}

const twins: readonly Twin[] = [
  {
    format: "gptq",
    words: ["4bit", "128g", "sym"],
    options: { bits: 4, groupSize: 128, sym: true },
    codes: "qweight",
    found: "4-bit symmetric integers, groups of 128 columns, f16 scales",
  },
  {
    format: "gptq",
    words: ["3bit", "64g", "sym"],
    options: { bits: 3, groupSize: 64, sym: true },
    codes: "qweight",
    found: "3-bit symmetric integers, groups of 64 columns, f16 scales",
  },
  {
    format: "gptq",
    words: ["8bit", "32g", "sym"],
    options: { bits: 8, groupSize: 32, sym: true },
    codes: "qweight",
    found: "8-bit symmetric integers, groups of 32 columns, f16 scales",
  },
  {
    format: "compressed-tensors",
    words: ["4bit", "32g", "sym"],
    options: { bits: 4, groupSize: 32, sym: true },
    codes: "weight_packed",
    found: "4-bit symmetric integers, groups of 32 columns, f16 scales",
  },
  {
    format: "gptq",
    words: ["4bit", "128g", "asym"],
    options: { bits: 4, groupSize: 128, sym: false, minZero: 1 },
    codes: "qweight",
    found: "4-bit asymmetric integers, groups of 128 columns, f16 scales",
  },
  {
    format: "awq",
    words: ["gemm", "128g"],
    options: { bits: 4, groupSize: 128, sym: false },
    codes: "qweight",
    found: "4-bit asymmetric integers, groups of 128 columns, f16 scales",
  },
];

it.each(twins)("$format $words as F32 comes back", async (twin) => {
  const { format, words, options, codes, found } = twin;
  const source = await packedDirectory(format, words, options);
  const { out: floats } = await converted(source, "safetensors:f32");
  const { grids = [] } = await inspectModel(await open(floats), { grids: true });
  for (const [module] of linearModules) {
    expect(grids).toContainEqual(
      expect.objectContaining({ name: `${module}.weight`, encoding: "F32", description: found }),
    );
  }
  const { plan, out } = await converted(floats, `${format}:${words.join("-")}`, { exact: true });
  const linear = plan.tensors.filter(({ name }) => linearModules.some(([m]) => name === `${m}.weight`));
  expect(linear.map(({ fidelity }) => fidelity)).toEqual(linear.map(() => "exact"));
  const { tensors } = await verifyModels(await open(source), await open(out));
  expect(tensors.filter(({ equal }) => !equal)).toEqual([]);
  const names = linearModules.map(([module]) => `${module}.${codes}`);
  const [before, after] = [await partBytes(source, names), await partBytes(out, names)];
  if (options.sym) expect(after).toEqual(before);
  // in a group where the code 0 does not occur, the zero point could be another
  else expect(differing(before, after)).toBeLessThan(0.01);
});

/** The share of bytes that differ. */
function differing(before: Map<string, Uint8Array>, after: Map<string, Uint8Array>): number {
  let [count, all] = [0, 0];
  for (const [name, bytes] of before) {
    all += bytes.length;
    bytes.forEach((byte, i) => {
      if (after.get(name)?.[i] !== byte) count++;
    });
  }
  return count / all;
}

it.each(["q4_0", "q5_0", "q8_0"])("gguf:%s as F32 comes back byte for byte", async (type) => {
  const { out: blocks } = await converted(await floatDirectory("F32"), `gguf:${type}`, { pure: true });
  const { out: floats } = await converted(blocks, "gguf:f32");
  for (const target of [`gguf:${type}`, "gguf:auto"]) {
    const exact = { exact: true, ...(target === "gguf:auto" ? {} : { pure: true }) };
    const { plan, out } = await converted(floats, target, exact);
    const found = plan.tensors.filter(({ to }) => to === type.toUpperCase()).map(({ name }) => name);
    expect(found.length).toBeGreaterThan(6);
    expect(await partBytes(out, found)).toEqual(await partBytes(blocks, found));
  }
});

describe("weights of 8-bit and 4-bit floats", () => {
  /** Made by the target itself from an ordinary model; `type` holds all their values. */
  const cases = [
    { target: "fp8:block-128", type: "f32", codes: "weight" },
    { target: "fp8:block-128-ue8m0", type: "bf16", codes: "weight" },
    { target: "compressed-tensors:fp8-block", type: "f32", codes: "weight" },
    { target: "compressed-tensors:fp8-channel", type: "f32", codes: "weight" },
    { target: "compressed-tensors:mxfp4", type: "bf16", codes: "weight_packed" },
    { target: "nvfp4:modelopt", type: "f32", codes: "weight" },
  ];

  it.each(cases)("$target as $type comes back exactly", async ({ target, type, codes }) => {
    const { out: packed } = await converted(await floatDirectory("BF16"), target);
    const { out: floats } = await converted(packed, `safetensors:${type}`);
    const { plan, out } = await converted(floats, target, { exact: true });
    const linear = plan.tensors.filter(({ name }) => linearModules.some(([m]) => name === `${m}.weight`));
    expect(new Set(linear.map(({ fidelity }) => fidelity))).toEqual(new Set(["exact"]));
    const { tensors } = await verifyModels(await open(packed), await open(out));
    expect(tensors.filter(({ equal }) => !equal)).toEqual([]);
    const names = linearModules.map(([module]) => `${module}.${codes}`);
    expect(await partBytes(out, names)).toEqual(await partBytes(packed, names));
  });
});

it.each(["fp8:block-128", "compressed-tensors:fp8-block", "nvfp4:modelopt"])(
  "%s as BF16, rounded, is refused as exact; with grids it keeps its codes, and as BF16 again its values",
  async (target) => {
    const { out: packed } = await converted(await floatDirectory("BF16"), target);
    const { out: floats } = await converted(packed, "safetensors:bf16");
    await expect(converted(floats, target, { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("the file stores scale × code rounded to bf16"),
    });
    const { report, out } = await converted(floats, target, { grids: true });
    const linear = report.tensors.filter(({ name }) => linearModules.some(([m]) => name === `${m}.weight`));
    expect(new Set(linear.map(({ fidelity }) => fidelity))).toEqual(new Set(["rounded"]));
    const names = linearModules.map(([module]) => `${module}.weight`);
    if (target !== "nvfp4:modelopt")
      expect(await partBytes(out, names)).toEqual(await partBytes(packed, names));
    const { out: again } = await converted(out, "safetensors:bf16");
    expect(await partBytes(again, names)).toEqual(await partBytes(floats, names));
  },
);

it("floats that were rounded to bf16 keep their codes, within half a bf16 step, and are refused as exact", async () => {
  const source = await packedDirectory("gptq", ["4bit", "128g", "sym"], {
    bits: 4,
    groupSize: 128,
    sym: true,
  });
  const { out: floats } = await converted(source, "safetensors:bf16");
  const { grids = [] } = await inspectModel(await open(floats), { grids: true });
  const rounded = "4-bit symmetric integers, groups of 128 columns, f16 scales, each value rounded to bf16";
  expect(grids.filter(({ description }) => description === rounded)).toHaveLength(linearModules.length);
  const { report, out } = await converted(floats, "gptq:4bit-128g-sym", { grids: true });
  const linear = report.tensors.filter(({ name }) => linearModules.some(([m]) => name === `${m}.weight`));
  for (const { fidelity, relativeRmse = 1 } of linear) {
    expect(fidelity).toBe("rounded");
    expect(relativeRmse).toBeLessThan(2 ** -9);
  }
  const names = linearModules.map(([module]) => `${module}.qweight`);
  expect(await partBytes(out, names)).toEqual(await partBytes(source, names));
  await expect(converted(floats, "gptq:4bit-128g-sym", { exact: true })).rejects.toMatchObject({
    code: "CONVERSION",
    message: expect.stringContaining("the file stores scale × code rounded to bf16"),
  });
  // and gguf:auto keeps the floats
  const { plan } = await converted(floats, "gguf:auto", { exact: true });
  expect(plan.tensors.filter(({ to }) => to === "BF16").length).toBeGreaterThanOrEqual(linearModules.length);
});

it("floats that were rounded to f16 are exact for readers that round to f16", async () => {
  const source = await packedDirectory("gptq", ["4bit", "128g", "sym"], {
    bits: 4,
    groupSize: 128,
    sym: true,
  });
  const { out: floats } = await converted(source, "safetensors:f16");
  const { plan, out } = await converted(floats, "gptq:4bit-128g-sym", { exact: true });
  expect(plan.tensors.filter(({ way }) => way.kind === "view")).toHaveLength(linearModules.length);
  const names = linearModules.map(([module]) => `${module}.qweight`);
  expect(await partBytes(out, names)).toEqual(await partBytes(source, names));
});

it("an ordinary model has no grids, and is refused where it must keep its values", async () => {
  for (const encoding of ["F32", "BF16", "F16"] as const) {
    const store = await floatDirectory(encoding);
    const { grids = [] } = await inspectModel(await open(store), { grids: true });
    expect(grids.map(({ description }) => description)).toEqual(grids.map(() => "none"));
    expect(grids.length).toBeGreaterThan(6);
    await expect(converted(store, "gptq:4bit-128g-sym", { exact: true })).rejects.toMatchObject({
      code: "CONVERSION",
      message: expect.stringContaining("its floats lie on no grid that an earlier quantization left"),
    });
  }
});
