/** Runs of a model with a merged adapter. The oracle is the file of one thread that was not interrupted; its numbers are tested in the CLI. */
import { mkdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { directoryStore } from "@requant/core/node";
import { beforeAll, describe, expect, it } from "vitest";
import {
  type ConversionReport,
  type Model,
  mergedModel,
  type Plan,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
  type Workers,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import { hfDirectory } from "../hf-directory.ts";
import { modelOpener, temporaryFolder } from "../opened.ts";
import { pseudoWeights } from "../tiny-gguf.ts";

const kjv = resolve(import.meta.dirname, "../../../../fixtures/kjv/hf");
const folder = temporaryFolder("requant-merged-");
const openModel = modelOpener();
const MERGED = "blk.0.attn_q.weight";
const FILE = "adapter_model.safetensors";

async function writeAdapter(name: string, seed: number): Promise<void> {
  const factor = (side: string, shape: readonly number[], more: number) =>
    [
      `base_model.model.model.layers.0.self_attn.q_proj.lora_${side}.weight`,
      {
        shape,
        encoding: "F32",
        bytes: new Uint8Array(pseudoWeights((shape[0] ?? 0) * (shape[1] ?? 0), seed + more).buffer),
      },
    ] as const;
  const { files } = await hfDirectory(new Map([factor("A", [4, 256], 0), factor("B", [256, 4], 1)]), {});
  await mkdir(join(folder, name));
  await writeFile(join(folder, name, FILE), files.get("model.safetensors") ?? "");
  // files are told apart by their size and time
  await utimes(join(folder, name, FILE), seed, seed);
  const config = { peft_type: "LORA", r: 4, lora_alpha: 8 };
  await writeFile(join(folder, name, "adapter_config.json"), JSON.stringify(config));
}

beforeAll(async () => {
  await writeAdapter("one", 1);
  await writeAdapter("other", 3);
});

interface Merged {
  readonly model: Model;
  readonly plan: Plan;
}

async function merged(adapter = "one"): Promise<Merged> {
  const base = await openModel({ store: directoryStore(kjv) });
  const model = await mergedModel(base, await openModel({ store: directoryStore(join(folder, adapter)) }));
  return { model, plan: await planConversion(model, parseTarget("gguf:q8_0"), { outputName: "x" }) };
}

function run({ model, plan }: Merged, name: string, options: RunOptions = {}): Promise<ConversionReport> {
  return runPlan(plan, model, directoryStore(join(folder, name)), { bandByteLength: 16 * 1024, ...options });
}

const bytesOf = (name: string): Promise<Buffer> => readFile(join(folder, name, "x.gguf"));

/** Two threads that make all pieces, and how many pieces of each tensor they were given. */
function counted({ tensors }: Plan): { readonly workers: Workers; readonly given: Map<string, number> } {
  const { start, ...threads } = nodeWorkers({ jobs: 2, weightsPerWorker: 1 });
  const given = new Map<string, number>();
  const startCounted: typeof start = () => {
    const handle = start();
    return {
      ...handle,
      post(message) {
        if (message.kind === "make") {
          for (const { tensor } of message.job.pieces) {
            const name = tensors[tensor]?.name ?? "";
            given.set(name, (given.get(name) ?? 0) + 1);
          }
        }
        handle.post(message);
      },
    };
  };
  return { workers: { ...threads, hereToo: false, start: startCounted }, given };
}

const sumOf = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);

describe("a model with a merged adapter", () => {
  it("is written with the same bytes by workers, which merge it themselves", async () => {
    const one = await merged();
    const alone = await run(one, "alone");
    // the adapter does change the weight
    const other = await merged("other");
    await run(other, "by-other");
    expect(Buffer.compare(await bytesOf("by-other"), await bytesOf("alone"))).not.toBe(0);
    const { workers, given } = counted(one.plan);
    const report = await run(one, "by-workers", { workers });
    expect(given.get(MERGED)).toBeGreaterThan(0);
    expect(report.tensors).toEqual(alone.tensors);
    expect(Buffer.compare(await bytesOf("by-workers"), await bytesOf("alone"))).toBe(0);
  }, 60_000);

  it("goes on where a run was stopped, with the same adapter only", async () => {
    const one = await merged();
    const whole = counted(one.plan);
    await run(one, "whole", { workers: whole.workers });
    const controller = new AbortController();
    const stopped = run(one, "stopped", {
      signal: controller.signal,
      onProgress({ done, total }) {
        if (done >= 0.5 * total) controller.abort();
      },
    });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await expect(run(await merged("other"), "stopped", { resume: true })).rejects.toMatchObject({
      code: "USAGE",
      message: expect.stringContaining(`adapter: ${FILE}`),
    });
    const rest = counted(one.plan);
    await run(one, "stopped", { resume: true, workers: rest.workers });
    expect(sumOf(rest.given)).toBeGreaterThan(0);
    expect(sumOf(rest.given)).toBeLessThan(0.7 * sumOf(whole.given));
    expect(Buffer.compare(await bytesOf("stopped"), await bytesOf("whole"))).toBe(0);
  }, 60_000);

  it("is not written into the folder of the adapter", async () => {
    await expect(run(await merged(), join("one", "out"))).rejects.toMatchObject({
      code: "USAGE",
      message: "The output lies inside the source.",
    });
  });
});
