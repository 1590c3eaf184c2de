/** Models of very many small tensors, as mixtures of experts are stored by Hugging Face: jobs are done together. */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
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
import { type Job, joinedJobs, type Piece } from "../../src/run/pieces.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import type { WorkerRequest } from "../../src/run/workers/protocol.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";

const LAYERS = 600;
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-many-"));
  const tensors = [{ name: "token_embd.weight", shape: [64, 64], values: pseudoWeights(4096, 1) }];
  for (let layer = 0; layer < LAYERS; layer++) {
    for (const [index, name] of ["attn_q", "ffn_up"].entries()) {
      const values = pseudoWeights(4096, 2 * layer + index + 2);
      tensors.push({ name: `blk.${layer}.${name}.weight`, shape: [64, 64], values });
    }
  }
  await writeFile(join(folder, "model.gguf"), await ggufBytes(tensors));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function withPlan<T>(name: string, use: (plan: Plan, model: Model) => Promise<T>): Promise<T> {
  const model = await openModel({ store: directoryStore(folder), file: "model.gguf" });
  try {
    return await use(await planConversion(model, parseTarget("gguf:q8_0"), { outputName: name }), model);
  } finally {
    await model.close();
  }
}

function convert(
  name: string,
  options: RunOptions,
  store: OutputStore = directoryStore(join(folder, "out")),
) {
  return withPlan(name, (plan, model) => runPlan(plan, model, store, options));
}

/** Two workers, without the thread of the run; `sent` gets all that is sent to it. */
function watched(sent: WorkerRequest[]): Workers {
  const workers = nodeWorkers({ jobs: 2, weightsPerWorker: 1 });
  return {
    ...workers,
    hereToo: false,
    start() {
      const handle = workers.start();
      return {
        ...handle,
        post(message, transfer) {
          sent.push(message);
          handle.post(message, transfer);
        },
      };
    },
  };
}

describe("a model of many tensors", () => {
  it("has the same bytes and errors whether it is appended, or written by one thread or two", async () => {
    const appended = memoryStore({ name: "appended" });
    const { tensors } = await convert("x", {}, appended);
    const wanted = appended.files.get("x.gguf") ?? Buffer.of();
    expect(tensors).toHaveLength(2 * LAYERS + 1);
    for (const jobs of [1, 2]) {
      const name = `by-${jobs}`;
      const report = await convert(name, { workers: nodeWorkers({ jobs, weightsPerWorker: 1 }) });
      expect(report.tensors).toEqual(tensors);
      expect(Buffer.compare(await readFile(join(folder, "out", `${name}.gguf`)), wanted)).toBe(0);
    }
  });

  it("tells each worker only of the weights in its jobs, of several in each", async () => {
    const sent: WorkerRequest[] = [];
    await convert("watched", { workers: watched(sent) });
    const told: number[] = [];
    for (const message of sent) {
      if (message.kind === "setup") expect(Object.keys(message)).not.toContain("tensors");
      if (message.kind !== "make") continue;
      const ofPieces = message.job.pieces.map(({ tensor }) => tensor);
      expect([...message.tensors.keys()]).toEqual(ofPieces);
      told.push(ofPieces.length);
    }
    expect(told.reduce((sum, count) => sum + count, 0)).toBe(2 * LAYERS + 1);
    expect(Math.max(...told)).toBe(16);
    expect(told.length).toBe(Math.ceil((2 * LAYERS + 1) / 16));
  });

  it("goes on after an abort without making again what was noted", async () => {
    const abort = new AbortController();
    let written = 0;
    const stopped = convert("resumed", {
      signal: abort.signal,
      onProgress: () => {
        if (++written === 400) abort.abort();
      },
    });
    await expect(stopped).rejects.toThrow();
    const sent: WorkerRequest[] = [];
    await convert("resumed", { resume: true, workers: watched(sent) });
    const made = sent.flatMap((message) => (message.kind === "make" ? message.job.pieces : []));
    // at most two jobs of 16 pieces were under way
    expect(made.length).toBeGreaterThan(0);
    expect(made.length).toBeLessThanOrEqual(2 * LAYERS + 1 - 400 + 2 * 16);
    const [one, two] = ["resumed", "by-1"].map((name) => readFile(join(folder, "out", `${name}.gguf`)));
    expect(Buffer.compare((await one) ?? Buffer.of(), (await two) ?? Buffer.of(1))).toBe(0);
  });
});

describe("jobs that are joined", () => {
  const piece = (index: number, given: Partial<Piece> = {}): Piece => ({
    tensor: index,
    index,
    file: 0,
    byteOffset: index * 1000,
    byteLength: 1000,
    band: { start: 0, end: 1 },
    ...given,
  });
  const jobs = (count: number, of: (index: number) => Job = (index) => ({ pieces: [piece(index)] })): Job[] =>
    Array.from({ length: count }, (_, index) => of(index));
  const lengths = (joined: Iterable<Job>): number[] => [...joined].map(({ pieces }) => pieces.length);

  it("keep their pieces and the order of these", () => {
    const found = [...joinedJobs(jobs(1001))].flatMap(({ pieces }) => pieces.map(({ index }) => index));
    expect(found).toEqual(Array.from({ length: 1001 }, (_, index) => index));
  });

  it("are few, or stay as they are", () => {
    expect(lengths(joinedJobs(jobs(1000)))).toEqual(Array.from({ length: 1000 }, () => 1));
    expect(lengths(joinedJobs(jobs(1001)))).toEqual([...Array.from({ length: 62 }, () => 16), 9]);
  });

  it("have 128 KiB at most, and no piece of more than the half of that", () => {
    const half = 64 * 1024;
    const long = jobs(1001, (index) => ({
      pieces: [piece(index, { byteLength: index % 4 === 3 ? half + 1 : half })],
    }));
    const joined = [...joinedJobs(long)];
    expect(lengths(joined).slice(0, 6)).toEqual([2, 1, 1, 2, 1, 1]);
  });

  it("are none of a packed weight, of a set, or of several pieces", () => {
    const odd = jobs(1004, (index) => {
      if (index === 1) return { pieces: [piece(index, { part: "qweight" })] };
      if (index === 2) return { pieces: [piece(index, { set: 0 })] };
      if (index === 3) return { pieces: [piece(index), piece(index)], holds: "w" };
      return { pieces: [piece(index)] };
    });
    const joined = [...joinedJobs(odd)];
    expect(lengths(joined).slice(0, 5)).toEqual([1, 1, 1, 2, 16]);
    expect(joined[3]).toBe(odd[3]);
  });
});
