/**
 * Embedding models, run. Oracle: fixtures/embedding/reference.json, ids by the Python `tokenizers` library and vectors by a plain NumPy
 * forward pass in f64.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type MemoryStore, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, describe, expect, it } from "vitest";
import { z } from "zod";
import { embedding, loadLlama, withModel } from "../../../../fixtures/llama-client.ts";
import { type Model, openModel, parseTarget, planConversion, runPlan } from "../../src/index.ts";

const fixtures = resolve(import.meta.dirname, "../../../../fixtures/embedding");
const folder = mkdtempSync(join(tmpdir(), "requant-embedding-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const client = await loadLlama();

const reference = z
  .record(
    z.string(),
    z.array(z.object({ text: z.string(), ids: z.array(z.number()), embedding: z.array(z.number()) })),
  )
  .parse(JSON.parse(readFileSync(join(fixtures, "reference.json"), "utf8")));

async function convert(model: Model, target: string): Promise<MemoryStore> {
  const output = memoryStore({ name: "o" });
  const outputName = target.startsWith("gguf") ? "o" : undefined;
  await runPlan(await planConversion(model, parseTarget(target), { outputName }), model, output);
  return output;
}

function normalized(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector);
  return vector.map((value) => value / length);
}

describe.each(Object.entries(reference))("%s", (name, samples) => {
  const open = (): Promise<Model> => openModel({ store: directoryStore(join(fixtures, name)) });

  it.skipIf("reason" in client)("llama.cpp gives its ids and its vectors", async () => {
    const { llama } = client as Extract<typeof client, { llama: unknown }>;
    const model = await open();
    const path = join(folder, `${name}.gguf`);
    writeFileSync(path, (await convert(model, "gguf:f32")).files.get("o.gguf") ?? "");
    await model.close();
    await withModel(llama, path, async (loaded) => {
      for (const { text, ids, embedding: expected } of samples) {
        expect([...loaded.tokenize(text, false)]).toEqual(ids.slice(1, -1));
        const vector = normalized(await embedding(loaded, ids));
        const worst = Math.max(...vector.map((value, index) => Math.abs(value - (expected[index] ?? 0))));
        // ggml's gelu is a table in f16
        expect(worst).toBeLessThan(2e-3);
      }
    });
  });

  it("comes back: every tensor that a GGUF holds, byte for byte", async () => {
    const model = await open();
    const gguf = await openModel({ store: await convert(model, "gguf:bf16"), file: "o.gguf" });
    const back = await openModel({ store: await convert(gguf, "safetensors:bf16") });
    const inner = (tensor: string): string =>
      tensor
        .replace(/^(bert|roberta)\./, "")
        .replace(".gamma", ".weight")
        .replace(".beta", ".bias");
    const kept = model.tensors.filter((tensor) => !tensor.name.includes("pooler"));
    expect(back.tensors.map((tensor) => tensor.name).sort()).toEqual(
      kept.map((tensor) => inner(tensor.name)).sort(),
    );
    for (const { name: stored, byteLength, shape } of kept) {
      const made = await back.readBytes(inner(stored), 0, byteLength);
      const original = await model.readBytes(stored, 0, byteLength);
      // rows before the first position are never looked up, and not in the GGUF
      const skipped =
        stored.includes("position_embeddings") && name.startsWith("xlmr") ? 2 * (shape[1] ?? 0) * 2 : 0;
      expect(Buffer.compare(made.subarray(skipped), original.subarray(skipped)), stored).toBe(0);
    }
    await model.close();
  });
});
