/**
 * Weights that are not finite, in runs of every kind: the same refusal whoever makes the pieces, nothing left of the output, and
 * nothing forgotten when a run goes on after an interruption. Oracle: the values planted in the source, and where.
 */

import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { F32, IoError, memoryStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  type ConversionReport,
  openModel,
  parseTarget,
  planConversion,
  type RunOptions,
  runPlan,
} from "../../src/index.ts";
import { FirstFault } from "../../src/run/first-fault.ts";
import { headLine, parseJournal, pieceLine } from "../../src/run/outputs/journal.ts";
import { nodeWorkers } from "../../src/run/workers/node.ts";
import { ggufBytes, pseudoWeights } from "../tiny-gguf.ts";
import { floatDirectory } from "./packed-models.ts";

const UP = "blk.0.ffn_up.weight";
const ROWS = 256;
const COLUMNS = 256;

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-non-finite-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const out = (): string => join(folder, "out");
const source = (): string => join(folder, "source.gguf");
/** What there is of the output, also under temporary names. */
const left = (): Promise<string[]> => readdir(out()).catch(() => []);

/** Two matrices; in the second one each given weight is NaN. */
async function run(
  nans: readonly number[],
  target: string,
  options: RunOptions = {},
): Promise<ConversionReport> {
  const values = pseudoWeights(ROWS * COLUMNS, 2);
  for (const index of nans) values[index] = Number.NaN;
  const bytes = await ggufBytes(
    [
      { name: "token_embd.weight", shape: [64, COLUMNS], values: pseudoWeights(64 * COLUMNS, 1) },
      { name: UP, shape: [ROWS, COLUMNS], values },
    ],
    { codec: F32 },
  );
  // a source that is written again has changed, and is not gone on with
  await writeFile(source(), bytes, { flag: "wx" }).catch(() => {});
  const model = await openModel({ store: directoryStore(folder), file: "source.gguf" });
  try {
    const plan = await planConversion(model, parseTarget(target), { outputName: "x" });
    // a piece is 8 rows
    return await runPlan(plan, model, directoryStore(out()), { bandByteLength: 8 * 1024, ...options });
  } finally {
    await model.close();
  }
}

const threads = (jobs: number): RunOptions["workers"] => nodeWorkers({ jobs, weightsPerWorker: 1 });

describe("a weight that is not finite", () => {
  const nans = [100 * COLUMNS + 3, 100 * COLUMNS + 200, 108 * COLUMNS, 116 * COLUMNS, 255 * COLUMNS];

  it.each([
    ["in this thread", {}],
    ["without the check afterwards", { check: false }],
    ["to be resumed", { resume: true }],
  ] as const)("is refused %s, and nothing is left", async (_, options) => {
    await expect(run(nans, "gguf:q4_0", options)).rejects.toMatchObject({
      code: "CONVERSION",
      reason: "non-finite",
      tensor: UP,
      index: 100 * COLUMNS + 3,
      message: expect.stringContaining("[100, 3]"),
    });
    expect(await left()).toEqual([]);
  });

  it.each([1, 2, 3])("is the first one with %d threads", async (jobs) => {
    for (let repeat = 0; repeat < 3; repeat++) {
      await expect(run(nans, "gguf:q8_0", { workers: threads(jobs) })).rejects.toMatchObject({
        code: "CONVERSION",
        reason: "non-finite",
        tensor: UP,
        index: 100 * COLUMNS + 3,
        hint: expect.stringContaining("allowNonFinite"),
      });
      expect(await left()).toEqual([]);
    }
  });

  it("is in the report, the same with any number of threads, where it is allowed", async () => {
    const alone = await run(nans, "gguf:q4_0", { allowNonFinite: true });
    const bytes = await readFile(join(out(), "x.gguf"));
    expect(alone.tensors.find(({ name }) => name === UP)?.nonFinite).toMatchObject({
      inSource: 5,
      byStoring: 0,
      firstIndex: 100 * COLUMNS + 3,
      firstPlace: [100, 3],
    });
    await rm(out(), { recursive: true });
    const shared = await run(nans, "gguf:q4_0", { allowNonFinite: true, workers: threads(2) });
    expect(shared.tensors).toEqual(alone.tensors);
    expect(await readFile(join(out(), "x.gguf"))).toEqual(bytes);
  });

  it("is not forgotten when the run goes on after an interruption", async () => {
    const interrupt = async (): Promise<void> => {
      const run_ = run(nans, "gguf:q4_0", {
        allowNonFinite: true,
        onProgress({ phase }) {
          if (phase === "check") throw new IoError("stopped");
        },
      });
      await expect(run_).rejects.toMatchObject({ code: "IO" });
    };
    await interrupt();
    const report = await run(nans, "gguf:q4_0", { allowNonFinite: true, resume: true });
    expect(report.tensors.find(({ name }) => name === UP)?.nonFinite).toMatchObject({
      inSource: 5,
      firstIndex: 100 * COLUMNS + 3,
    });
    await rm(out(), { recursive: true });
    await interrupt();
    await expect(run(nans, "gguf:q4_0", { resume: true })).rejects.toMatchObject({
      code: "CONVERSION",
      reason: "non-finite",
      tensor: UP,
    });
    // the work of the first run may still be gone on with, as it was begun
    expect(await left()).toEqual([".x.gguf.requant-journal", ".x.gguf.requant-part"]);
    await run(nans, "gguf:q4_0", { allowNonFinite: true, resume: true });
    expect(await left()).toEqual(["x.gguf"]);
  });

  it("stands in the journal as it was found", () => {
    const weights = {
      count: 2,
      index: 7,
      value: -1.5,
      stored: Number.NEGATIVE_INFINITY,
      largest: 4e6,
      largestIndex: 9,
    };
    const given = { ...weights, value: Number.NaN, stored: Number.NaN };
    const pieces = [{}, { given }, { made: weights }, { given, made: weights }].map((nonFinite) => ({
      checksum: "0011223344556677",
      noise: 0.5,
      signal: 2.5,
      maxAbsError: Number.POSITIVE_INFINITY,
      ...("given" in nonFinite || "made" in nonFinite ? { nonFinite } : {}),
    }));
    const lines = [
      headLine({ run: "r", source: {} }),
      ...pieces.map((piece, index) => pieceLine(index, piece)),
    ];
    expect([...parseJournal(Buffer.concat(lines)).pieces.values()]).toEqual(pieces);
  });
});

describe("an output that only appends", () => {
  it("ends with the refusal when a packed weight is never delivered, with any number of threads", async () => {
    const directory = await floatDirectory("F32");
    const { byteOffset, file } = (await openModel({ store: directory })).tensor(
      "model.layers.0.self_attn.q_proj.weight",
    );
    directory.files.get(file)?.set(new Uint8Array(Float32Array.of(Number.NaN).buffer), byteOffset + 4 * 300);
    for (const [name, bytes] of directory.files) await writeFile(join(folder, name), bytes);
    for (const jobs of [1, 2, 3]) {
      const model = await openModel({ store: directoryStore(folder) });
      const plan = await planConversion(model, parseTarget("gptq:4bit-128g-sym"));
      const output = memoryStore({ name: "out" });
      await expect(runPlan(plan, model, output, { workers: threads(jobs) })).rejects.toMatchObject({
        code: "CONVERSION",
        reason: "non-finite",
        tensor: "model.layers.0.self_attn.q_proj.weight",
        index: 300,
      });
      expect([...output.files.keys()]).toEqual([]);
      await model.close();
    }
  });
});

describe("the first fault of jobs that run at the same time", () => {
  it("is that of the first job, and jobs before it are waited for", async () => {
    const stopped: unknown[] = [];
    const first = new FirstFault(
      (error) => error !== "other",
      (error) => stopped.push(error),
    );
    const endings: ((error?: string) => void)[] = [];
    const jobs = [0, 1, 2, 3].map((order) =>
      first
        .run(
          order,
          () =>
            new Promise<void>((resolve, reject) => {
              endings.push((error) => (error === undefined ? resolve() : reject(error)));
            }),
        )
        .catch(() => {}),
    );
    const end = async (order: number, error?: string): Promise<void> => {
      endings[order]?.(error);
      await jobs[order];
    };
    await end(2, "third");
    expect(stopped).toEqual([]);
    await end(1, "second");
    expect(stopped).toEqual([]);
    await end(0);
    expect(stopped).toEqual(["second"]);
    await end(3, "stopped");
    expect(stopped).toEqual(["second"]);
    expect(first.insteadOf("third")).toBe("second");
    expect(first.insteadOf("other")).toBe("other");
  });
});
