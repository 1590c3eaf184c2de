/**
 * Bytes of every tensor of every family. Oracle: the sha256 of the tensors that llama.cpp 0.7.0's converter writes in F32
 * (arch/manifest.json), and for the opposite direction the checkpoint itself.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { elementCount, rowCount } from "@requant/core";
import { describe, expect, test } from "vitest";
import { ggufToHf, hfToGguf, openWeight, type WeightPlan, type WeightSource } from "../src/index.ts";
import { type ManifestModel, readDirectory, readWeights, sha256 } from "./golden.ts";

const golden = process.env["REQUANT_GOLDEN"] ?? "";
const manifestPath = join(golden, "arch/manifest.json");
const models: Record<string, ManifestModel> =
  golden !== "" && existsSync(manifestPath) ? JSON.parse(readFileSync(manifestPath, "utf8")).models : {};

/** In three uneven bands: rows must not depend on chunking. */
async function whole(plan: WeightPlan, source: WeightSource): Promise<Float32Array> {
  const out = new Float32Array(elementCount(plan.shape));
  const reader = openWeight(plan, source);
  const rows = rowCount(plan.shape);
  const length = plan.shape.at(-1) ?? 1;
  const cuts = [0, Math.floor(rows / 3), Math.floor((2 * rows) / 3) + 1, rows];
  for (let band = 0; band < 3; band++) {
    const start = Math.min(cuts[band] ?? 0, rows);
    const end = Math.min(cuts[band + 1] ?? rows, rows);
    if (start < end) await reader.readRows(start, end, out.subarray(start * length, end * length));
  }
  return out;
}

const hash = (values: Float32Array): string => sha256(new Uint8Array(values.buffer));
const isMxfp4 = (plan: WeightPlan): boolean => plan.keeps === "MXFP4";
const isMapped = (plan: WeightPlan): boolean =>
  plan.inputs.some((input) => "map" in input && input.map !== undefined);

describe.skipIf(golden === "")("arch (skipped: REQUANT_GOLDEN is not set)", () => {
  test.each(Object.entries(models))("%s: bytes in both directions", async (_, model) => {
    const directory = join(golden, "arch", model.dir);
    const weights = readWeights(directory);
    const gguf = hfToGguf(readDirectory(directory, weights.tensors), { fileType: "F32" });
    const values = new Map<string, Float32Array>();
    for (const [index, plan] of gguf.tensors.entries()) {
      if (isMxfp4(plan)) continue;
      const made = await whole(plan, weights.source);
      values.set(plan.name, made);
      expect(`${plan.name} ${hash(made)}`).toBe(`${plan.name} ${model.tensors[index]?.types["F32"]?.sha256}`);
    }
    const back = ggufToHf({ ...gguf, smallTensors: values }, { dtype: "F32" });
    const shapes = new Map(gguf.tensors.map(({ name, shape }) => [name, shape]));
    const source: WeightSource = {
      shapeOf: (name) => shapes.get(name) ?? [],
      async readRows(name, start, end, out) {
        const length = shapes.get(name)?.at(-1) ?? 1;
        out.set((values.get(name) ?? new Float32Array(0)).subarray(start * length, end * length));
      },
    };
    const stored = new Set(weights.tensors.map(({ name }) => name));
    for (const plan of back.tensors) {
      // plain experts out of MXFP4
      if (!stored.has(plan.name) && gguf.tensors.some(isMxfp4)) continue;
      const original = await whole({ ...plan, inputs: [{ tensor: plan.name }] }, weights.source);
      const restored = await whole(plan, source);
      if (!isMapped(plan)) {
        expect(`${plan.name} ${hash(restored)}`).toBe(`${plan.name} ${hash(original)}`);
        continue;
      }
      // x + 1 - 1 and log(exp(x)) lose at most a rounding of the sum or the power
      const worst = restored.reduce(
        (most, value, i) => Math.max(most, Math.abs(value - (original[i] ?? 0))),
        0,
      );
      expect(worst).toBeLessThan(5e-7);
    }
  });
});
