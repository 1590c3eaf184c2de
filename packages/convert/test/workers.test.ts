import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openModel, parseTarget, planConversion, type RunOptions, runPlan } from "../src/index.ts";
import { nodeWorkers } from "../src/workers/node.ts";
import { ggufBytes, pseudoWeights, type TinyTensor } from "./tiny-gguf.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-workers-"));
  await writeFile(join(folder, "model.gguf"), await ggufBytes(tensors()));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** One tensor larger than all others together, so that only bands share it out. */
function tensors(): TinyTensor[] {
  return [
    { name: "token_embd.weight", shape: [4096, 256], values: pseudoWeights(4096 * 256, 1) },
    { name: "blk.0.attn_norm.weight", shape: [256], values: pseudoWeights(256, 2) },
    { name: "blk.0.attn_q.weight", shape: [256, 256], values: pseudoWeights(256 * 256, 3) },
    { name: "blk.0.ffn_up.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 4) },
  ];
}

async function convert(target: string, name: string, options: RunOptions): Promise<Uint8Array> {
  const model = await openModel({ store: directoryStore(folder), file: "model.gguf" });
  try {
    const plan = await planConversion(model, parseTarget(target), { outputName: name });
    await runPlan(plan, model, directoryStore(join(folder, "out")), { bandByteLength: 64 * 1024, ...options });
    return await readFile(join(folder, "out", `${name}.gguf`));
  } finally {
    await model.close();
  }
}

describe("the bytes do not depend on who makes them", () => {
  it.each(["gguf:q8_0", "gguf:q4_k_m", "gguf:f32", "gguf:f16"])("%s", async (target) => {
    const alone = await convert(target, `${target.slice(5)}-1`, {});
    for (const jobs of [2, 3]) {
      const name = `${target.slice(5)}-${jobs}`;
      const shared = await convert(target, name, { workers: nodeWorkers({ jobs, weightsPerWorker: 1 }) });
      expect(Buffer.compare(alone, shared), name).toBe(0);
    }
    expect((await readdir(join(folder, "out"))).filter((name) => name.startsWith("."))).toEqual([]);
  });
});
