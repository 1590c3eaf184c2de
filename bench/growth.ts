/** How time and memory of a conversion to Q8_0 grow: with the bytes, the tensors and the files of the model. */
import { readdir, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { nodeUsage } from "./child-process.ts";
import { layersFor, modelShape } from "./convert.ts";
import type { LlamaShape } from "./llama-shape.ts";
import { makeModel } from "./make-model.ts";
import { measureProcesses, type ProcessContender, type ProcessTask } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { command } from "./start-up.ts";

export interface GrowthOptions {
  /** Of the largest model. */
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

const HALVINGS = 3;
/** A small vocabulary, so that layers are most of the small models, too. */
const WORDS = 4096;
const TENSORS = [1000, 10_000, 100_000];
const FILES = [1, 10, 100, 1000];
/** The tensors of the model that is cut into files: three for each of a thousand files. */
const TENSORS_IN_FILES = 3000;

export async function* measureGrowth(folder: string, options: GrowthOptions): AsyncGenerator<Measurement[]> {
  yield* inBytes(folder, options);
  yield* inTensors(folder, options);
  yield* inFiles(folder, options);
}

async function* inBytes(folder: string, options: GrowthOptions): AsyncGenerator<Measurement[]> {
  for (let i = HALVINGS; i >= 0; i--) {
    const input = join(folder, "growing.gguf");
    const shape = modelShape(layersFor(options.gigabytes / 2 ** i, WORDS), WORDS);
    await makeModel(input, shape, { tokens: shape.vocabularySize, merges: 1000 });
    const { size } = await stat(input);
    const task = `bytes: ${(size / 1e9).toFixed(2)} GB`;
    // the output is about half as long
    yield await measureOne(folder, options, task, size, input, { folder, byteLength: size * 0.55 });
    await rm(input);
  }
}

async function* inTensors(folder: string, options: GrowthOptions): AsyncGenerator<Measurement[]> {
  for (const count of TENSORS) {
    const input = join(folder, "tensors.gguf");
    await makeModel(input, shapeOf(count), { tokens: 64, merges: 16 });
    yield await measureOne(folder, options, `tensors: ${count.toLocaleString("en-US")}`, count, input);
    await rm(input);
  }
}

async function* inFiles(folder: string, options: GrowthOptions): AsyncGenerator<Measurement[]> {
  const whole = join(folder, "whole.gguf");
  const shape = shapeOf(TENSORS_IN_FILES);
  await makeModel(whole, shape, { tokens: 64, merges: 16 });
  for (const count of FILES) {
    const parts = join(folder, "files");
    const most = String(Math.ceil(tensorsOf(shape) / count));
    await nodeUsage(command, [
      "split",
      whole,
      join(parts, "part.gguf"),
      "--max-tensors",
      most,
      "--no-verify",
    ]);
    const names = (await readdir(parts)).sort();
    const first = join(parts, names[0] ?? "");
    const task = `files: ${names.length.toLocaleString("en-US")}`;
    yield await measureOne(folder, options, task, names.length, first);
    await rm(parts, { recursive: true });
  }
  await rm(whole);
}

/** A llama of small layers with about so many tensors. */
function shapeOf(tensors: number): LlamaShape {
  const layers = Math.round((tensors - 3) / 9);
  return { layers, width: 64, feedForward: 128, heads: 2, keyValueHeads: 1, vocabularySize: 64 };
}

function tensorsOf({ layers }: LlamaShape): number {
  return 9 * layers + 3;
}

function measureOne(
  folder: string,
  { threads, rounds }: GrowthOptions,
  task: string,
  size: number,
  input: string,
  memory?: ProcessTask["memory"],
): Promise<Measurement[]> {
  const output = join(folder, "grown.gguf");
  const options = ["--to", "gguf:q8_0", "--overwrite", "--jobs", String(threads)];
  const contender: ProcessContender = {
    name: "requant",
    output,
    workers: threads,
    run: () => nodeUsage(command, ["convert", input, output, ...options]),
  };
  return measureProcesses(
    { part: "growth", task, size, rounds, ...(memory === undefined ? {} : { memory }) },
    [contender],
  ).finally(() => rm(output, { force: true }));
}
