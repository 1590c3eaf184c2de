import { F16, F32, type MemoryStore, type MetadataValue, memoryStore } from "@requant/core";
import { Q8_0 } from "@requant/gguf";
import { sourceRowOf } from "@requant/models";
import { describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, runPlan, verifyModels } from "../../src/index.ts";
import { ggufBytes, pseudoWeights, type TinyTensor, tinyTensors } from "../tiny-gguf.ts";

const rows = 128;
const columns = 128;
const values = pseudoWeights(rows * columns, 7);
const metadata = new Map<string, MetadataValue>([
  ["general.architecture", { type: "string", value: "llama" }],
  ["llama.attention.head_count", { type: "u32", value: 4 }],
]);

async function modelOf(tensors: readonly TinyTensor[], codec = F32) {
  const store = memoryStore({ name: "m" });
  store.files.set("m.gguf", await ggufBytes(tensors, { metadata, codec }));
  return openModel({ store, file: "m.gguf" });
}

const square = (own: Float32Array, shape = [rows, columns]): TinyTensor[] => [
  { name: "blk.0.attn_q.weight", shape, values: own },
];

async function diagnosisOf(changed: Float32Array, codec = F32): Promise<string | undefined> {
  const report = await verifyModels(await modelOf(square(values)), await modelOf(square(changed), codec), {
    tolerance: 0.05,
  });
  expect(report.ok).toBe(false);
  return report.tensors[0]?.diagnosis?.message;
}

describe("verifyModels", () => {
  it("finds equal models equal", async () => {
    const report = await verifyModels(await modelOf(tinyTensors(), F16), await modelOf(tinyTensors(), F16));
    expect(report).toMatchObject({ equal: true, ok: true, onlyInA: [], onlyInB: [], shapesDiffer: [] });
    expect(report.tensors.every(({ sqnr }) => sqnr === Infinity)).toBe(true);
  });

  it("measures one changed value", async () => {
    const changed = values.slice();
    changed[1000] = values[1000]! + 0.5;
    const report = await verifyModels(await modelOf(square(values)), await modelOf(square(changed)));
    const difference = Math.abs(changed[1000]! - values[1000]!);
    expect(report).toMatchObject({ equal: false, ok: false });
    expect(report.tensors[0]).toMatchObject({
      firstDifference: 1000,
      differences: 1,
      maxAbsError: difference,
    });
    expect(report.tensors[0]?.rmse).toBeCloseTo(difference / Math.sqrt(values.length), 12);
  });

  it("accepts rounding within the tolerance only", async () => {
    const [exact, rounded] = [await modelOf(square(values)), await modelOf(square(values), Q8_0)];
    expect(await verifyModels(exact, rounded, { tolerance: 0.02 })).toMatchObject({ equal: false, ok: true });
    expect((await verifyModels(exact, rounded, { tolerance: 1e-6 })).ok).toBe(false);
    await expect(verifyModels(exact, rounded, { tolerance: -1 })).rejects.toMatchObject({ code: "USAGE" });
  });

  it("tells what only one side has, and shapes that differ", async () => {
    const [q, ...rest] = tinyTensors().slice(2);
    if (q === undefined) throw new Error("no tensor");
    const a = await modelOf([q, ...rest]);
    const b = await modelOf([
      { ...q, shape: [32, 128] },
      { name: "extra.weight", shape: [2, 32], values: values.slice(0, 64) },
    ]);
    expect(await verifyModels(a, b)).toMatchObject({
      ok: false,
      onlyInA: ["blk.0.ffn_up.weight"],
      onlyInB: ["extra.weight"],
      shapesDiffer: [{ name: "blk.0.attn_q.weight", a: [64, 64], b: [32, 128] }],
    });
  });
});

describe("diagnoses on deliberately broken weights", () => {
  const moved = (kind: "rope-to-pairs" | "rope-to-halves"): Float32Array => {
    const origin = sourceRowOf({ kind, headCount: 4 }, rows);
    return Float32Array.from(values, (_, index) => {
      const [row, column] = [Math.floor(index / columns), index % columns];
      return values[origin(row) * columns + column]!;
    });
  };

  it("q/k rows permuted, either way", async () => {
    expect(await diagnosisOf(moved("rope-to-pairs"))).toMatch(/^Rows permuted: the second model .* pairs/);
    expect(await diagnosisOf(moved("rope-to-halves"))).toMatch(
      /^Rows permuted: the second model .* two halves/,
    );
  });

  it("also after quantization", async () => {
    expect(await diagnosisOf(moved("rope-to-pairs"), Q8_0)).toMatch(/^Rows permuted/);
  });

  it("transposed", async () => {
    const transposed = Float32Array.from(
      values,
      (_, index) => values[(index % columns) * columns + Math.floor(index / columns)]!,
    );
    expect(await diagnosisOf(transposed)).toMatch(/^Transposed/);
  });

  it("scaled", async () => {
    expect(await diagnosisOf(values.map((value) => value * 8))).toMatch(/^Scaled: .* times 8\.$/);
  });

  it("nothing of unrelated weights, however large or small they are", async () => {
    for (const scale of [1e-4, 1e-2, 100, 1e4])
      expect(
        await diagnosisOf(pseudoWeights(rows * columns, 99).map((value) => value * scale)),
      ).toBeUndefined();
  });

  it("a zero point off by one", async () => {
    // one step per group of 32, as if q - z - 1 had been q - z
    const shifted = values.map((value, index) => value + 0.01 * (1 + (Math.floor(index / 32) % 3)));
    expect(await diagnosisOf(shifted)).toMatch(/^Zero point: in each group of 32 /);
  });

  it("nothing known", async () => {
    expect(await diagnosisOf(pseudoWeights(rows * columns, 99))).toBeUndefined();
  });
});

it("verifies a conversion against its source", async () => {
  const store: MemoryStore = memoryStore({ name: "m" });
  store.files.set("m.gguf", await ggufBytes(tinyTensors()));
  const model = await openModel({ store, file: "m.gguf" });
  const output = memoryStore({ name: "out" });
  const report = await runPlan(
    await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "o" }),
    model,
    output,
  );
  const made = await openModel({ store: output, file: "o.gguf" });
  const verified = await verifyModels(model, made, { tolerance: 0.02 });
  expect(verified.ok).toBe(true);
  for (const tensor of verified.tensors) {
    const planned = report.tensors.find(({ name }) => name === tensor.name);
    expect(tensor.rmse).toBeCloseTo(planned?.rmse ?? 0, 12);
    expect(tensor.maxAbsError).toBe(planned?.maxAbsError ?? 0);
  }
});
