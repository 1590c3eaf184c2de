/** A Hugging Face directory to Q4_K_M in one pass, next to llama.cpp's way: its converter, and then its quantizer. */

import { rm } from "node:fs/promises";
import { join } from "node:path";
import { againstNative } from "./against-native.ts";
import { nodeUsage } from "./child-process.ts";
import { layersFor, modelShape, readAndWrite, writtenBy } from "./convert.ts";
import { makeHf } from "./make-hf.ts";
import { measureProcesses, type ProcessContender, removeOutputs, threadWords } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { command } from "./start-up.ts";

export interface HfOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

/** llama.cpp's number of Q4_K_M. */
const FILE_TYPE = 15;

export async function measureHf(folder: string, options: HfOptions): Promise<Measurement[]> {
  const { threads } = options;
  const input = join(folder, "hf");
  const bytes = await makeHf(input, modelShape(layersFor(options.gigabytes)));
  const convert = (path: string, to: string, ...more: string[]) =>
    nodeUsage(command, [
      ...["convert", input, path, "--to", to, "--overwrite", "--jobs", String(threads)],
      ...more,
    ]);
  // the tensors that llama.cpp's converter writes: peers.ts compares
  const whole = join(folder, "whole-bf16.gguf");
  await convert(whole, "gguf:bf16", "--no-verify");
  const output = (contender: string): string => join(folder, `hf-${contender}.gguf`);
  const toQ4 = (path: string, ...more: string[]) => convert(path, "gguf:q4_k_m", ...more);
  const written = await writtenBy(toQ4, output("size"));
  const { contenders: quantizers, same } = againstNative({
    output,
    job: { input: whole, fileType: FILE_TYPE, threads },
    convert: toQ4,
  });
  const contenders: readonly ProcessContender[] = [
    ...quantizers,
    readAndWrite(output("bytes"), written, [join(input, "model.safetensors")]),
  ];
  const measured = await measureProcesses(
    {
      part: "hf",
      task: `BF16 → Q4_K_M, ${threadWords(threads)}`,
      bytes,
      rounds: options.rounds,
      same,
    },
    contenders,
  );
  await removeOutputs(contenders);
  await rm(whole);
  await rm(input, { recursive: true });
  return measured;
}
