/** Norms that a GGUF stores as x + 1: exact where no sum rounds, which is looked at. Oracle: the checkpoint's own bytes on the way back. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type MemoryStore, memoryStore } from "@requant/core";
import { expect, it } from "vitest";
import {
  type Model,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  verifyModels,
} from "../../src/index.ts";
import { hfDirectory, readWeights, type Weights } from "../hf-directory.ts";

const path = fileURLToPath(new URL("../../../../fixtures/arch/gemma-tiny", import.meta.url));
const norm = "model.layers.1.input_layernorm.weight";

async function gemma(change: (weights: Weights) => void = () => {}): Promise<Model> {
  const weights = await readWeights(path);
  change(weights);
  const names = ["config.json", "tokenizer.model", "tokenizer_config.json"];
  return openModel({
    store: await hfDirectory(
      weights,
      Object.fromEntries(names.map((name) => [name, readFileSync(`${path}/${name}`)])),
    ),
  });
}

async function exactly(model: Model, target: string): Promise<MemoryStore> {
  const store = memoryStore({ name: target });
  const plan = await planConversion(model, parseTarget(target), {
    exact: true,
    ...(target.startsWith("gguf") ? { outputName: "o" } : {}),
  });
  await runPlan(plan, model, store);
  return store;
}

it("Gemma goes to GGUF and back with --exact", async () => {
  const source = await gemma();
  const store = await exactly(source, "gguf:auto");
  const gguf = await openModel({ store, file: "o.gguf" });
  expect(await verifyModels(source, gguf)).toMatchObject({ equal: true, onlyInA: [], onlyInB: [] });
  const back = await openModel({ store: await exactly(gguf, "safetensors:bf16") });
  for (const { name, byteLength } of source.tensors) {
    const [ours, theirs] = [
      await back.readBytes(name, 0, byteLength),
      await source.readBytes(name, 0, byteLength),
    ];
    expect(Buffer.compare(ours, theirs), name).toBe(0);
  }
});

it.each([
  ["a tiny number that the sum swallows", 0x2f80, false],
  ["a number with its last bit at 2⁻²³ of the sum", 0x3b81, true],
])("%s", async (_, bits, isExact) => {
  const model = await gemma((weights) => {
    const { bytes } = weights.get(norm) ?? { bytes: new Uint8Array(0) };
    bytes.set([bits & 255, bits >> 8], 10);
  });
  const plan = await planConversion(model, parseTarget("gguf:bf16"));
  const fidelity = plan.tensors.find(({ name }) => name === "blk.1.attn_norm.weight")?.fidelity;
  expect(fidelity).toBe(isExact ? "exact" : "rounded");
  const asked = planConversion(model, parseTarget("gguf:bf16"), { exact: true });
  if (isExact) expect((await asked).tensors.map((tensor) => tensor.fidelity)).not.toContain("rounded");
  else await expect(asked).rejects.toMatchObject({ code: "CONVERSION", tensor: "blk.1.attn_norm.weight" });
});
