/** Searches for codes that other formats need: EXL2, and GPTQ with the least error of each group. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { nodeUsage } from "./child-process.ts";
import { layersFor, modelShape } from "./convert.ts";
import { llamaShape } from "./llama-shape.ts";
import { makeHf } from "./make-hf.ts";
import { measureProcesses, type ProcessContender, removeOutputs, threadWords } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { command } from "./start-up.ts";

export interface RoundingOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

/** A small vocabulary: not all formats quantize embeddings and head. */
const WORDS = 1024;

const TARGETS: Readonly<Record<string, string>> = {
  "EXL2, 4 bits": "exl2:4bpw-h6",
  "GPTQ 4-bit, mse": "gptq:4bit-128g-sym-mse",
  "GPTQ 4-bit": "gptq:4bit-128g-sym",
};

export async function* measureRounding(
  folder: string,
  options: RoundingOptions,
): AsyncGenerator<Measurement[]> {
  const { threads, rounds } = options;
  const input = join(folder, "rounding");
  const shape = modelShape(layersFor(options.gigabytes, WORDS), WORDS);
  await makeHf(input, shape);
  // the matrices of the layers: embeddings and head are small here, and their time counts as that of the others
  const size = llamaShape(shape)
    .tensors.filter(({ name, encoding }) => name.startsWith("blk.") && encoding === "F16")
    .reduce((sum, { shape: sizes }) => sum + sizes.reduce((product, length) => product * length, 1), 0);
  for (const [name, to] of Object.entries(TARGETS)) {
    const output = join(folder, "rounded");
    const given = ["--to", to, "--jobs", String(threads), "--no-verify"];
    const contender: ProcessContender = {
      name: "requant --no-verify",
      output,
      workers: threads,
      run: () => nodeUsage(command, ["convert", input, output, ...given]),
    };
    const task = `${name}, ${threadWords(threads)}`;
    yield await measureProcesses({ part: "rounding", task, size, rounds }, [contender]);
    await removeOutputs([contender]);
  }
  await rm(input, { recursive: true });
}
