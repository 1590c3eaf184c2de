/**
 * Staged files that only the thread of the run can write, as those of a browser: workers send their pieces back. The oracle
 * is a run without workers into memory.
 */
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore, type StagedFile } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type Model,
  type OutputStore,
  openModel,
  type Plan,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
  type Workers,
} from "../../src/index.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

let folder = "";
let model: Model;
let plan: Plan;
let wanted: Uint8Array;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-own-"));
  const bytes = await ggufBytes([
    { name: "token_embd.weight", shape: [512, 256], values: pseudoWeights(512 * 256, 1) },
    { name: "blk.0.ffn_up.weight", shape: [256, 256], values: pseudoWeights(256 * 256, 2) },
  ]);
  await writeFile(join(folder, "model.gguf"), bytes);
  model = await openModel({ store: directoryStore(folder), file: "model.gguf" });
  plan = await planConversion(model, parseTarget("gguf:q4_k_m"), { outputName: "x" });
  const memory = memoryStore();
  await runPlan(plan, model, memory);
  wanted = memory.files.get("x.gguf") ?? new Uint8Array(0);
});
afterAll(async () => {
  await model.close();
  await rm(folder, { recursive: true, force: true });
});
beforeEach(() => rm(join(folder, "out"), { recursive: true, force: true }));

/** A directory whose staged files have no address. `damage`: changes the bytes that are read back. */
function ownFiles(
  damage: (bytes: Uint8Array, start: number) => void = () => {},
): OutputStore & { written: number } {
  const store = directoryStore(join(folder, "out"));
  const own = {
    ...store,
    written: 0,
    async stage(
      path: string,
      options: Parameters<NonNullable<OutputStore["stage"]>>[1],
    ): Promise<StagedFile> {
      const file = await store.stage?.(path, options);
      if (file === undefined) throw new Error("a directory can stage");
      // the prototype keeps what is not replaced, getters too
      return Object.assign(Object.create(file) as StagedFile, {
        address: undefined,
        async write(bytes: Uint8Array, start: number) {
          own.written += bytes.byteLength;
          await file.write(bytes, start);
        },
        async readInto(target: Uint8Array, start: number) {
          await file.readInto(target, start);
          damage(target, start);
        },
      });
    },
  };
  return own;
}

const run = (store: OutputStore, options: RunOptions = {}): Promise<unknown> =>
  runPlan(plan, model, store, {
    bandByteLength: 65536,
    workers: nodeWorkers({ jobs: 3, weightsPerWorker: 1 }),
    ...options,
  });

/** All jobs are given to workers. */
const elsewhere = (): Workers => ({ ...nodeWorkers({ jobs: 2, weightsPerWorker: 1 }), hereToo: false });

describe("files that only the thread of the run can write", () => {
  it.each([
    ["the thread of the run among them", undefined],
    ["without the thread of the run", elsewhere],
  ])("get the same bytes with workers, %s", async (_name, workers) => {
    const store = ownFiles();
    await run(store, workers === undefined ? {} : { workers: workers() });
    expect(new Uint8Array(await readFile(join(folder, "out/x.gguf")))).toEqual(wanted);
    expect(await readdir(join(folder, "out"))).toEqual(["x.gguf"]);
    expect(store.written).toBeGreaterThan(0.9 * wanted.byteLength);
  });

  it.each(["write", "check"] as const)("go on after an abort in the phase %s", async (phase) => {
    const controller = new AbortController();
    const aborted = run(ownFiles(), {
      workers: elsewhere(),
      signal: controller.signal,
      onProgress: (progress) => {
        if (progress.phase === phase && progress.done >= 0.5 * progress.total) controller.abort();
      },
    });
    await expect(aborted).rejects.toMatchObject({ name: "AbortError" });
    const store = ownFiles();
    await run(store, { workers: elsewhere(), resume: true });
    expect(new Uint8Array(await readFile(join(folder, "out/x.gguf")))).toEqual(wanted);
    expect(store.written).toBeLessThan(0.7 * wanted.byteLength);
  });

  it("are refused where they are not what was written", async () => {
    const store = ownFiles((bytes, start) => {
      if (start > 40_000) bytes[0] = (bytes[0] ?? 0) ^ 1;
    });
    await expect(run(store, { workers: elsewhere() })).rejects.toMatchObject({
      code: "IO",
      message: "What was read back is not what was written.",
    });
  });
});
