/** A Hugging Face directory to Q4_K_M in one pass, next to llama.cpp's way: its converter, and then its quantizer. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { nodeUsage } from "./child-process.ts";
import { layersFor, modelShape, readAndWrite, writtenBy } from "./convert.ts";
import { makeHf } from "./make-hf.ts";
import { findNativeQuantize } from "./native-run.ts";
import { measureProcesses, type ProcessContender, removeOutputs, threadWords } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { sameTensors } from "./same-tensors.ts";
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
  const native = findNativeQuantize();
  const toQ4 = (path: string, ...more: string[]) => convert(path, "gguf:q4_k_m", ...more);
  const written = await writtenBy(toQ4, output("size"));
  const contenders: ProcessContender[] = [
    ...(native === undefined
      ? []
      : [
          {
            name: "native",
            output: output("native"),
            run: () => native({ input: whole, output: output("native"), fileType: FILE_TYPE, threads }),
          },
        ]),
    { name: "requant", output: output("requant"), workers: threads, run: () => toQ4(output("requant")) },
    {
      name: "requant --no-verify",
      output: output("unread"),
      workers: threads,
      run: () => toQ4(output("unread"), "--no-verify"),
    },
    readAndWrite(output("bytes"), written, [join(input, "model.safetensors")]),
  ];
  const measured = await measureProcesses(
    {
      part: "hf",
      task: `BF16 → Q4_K_M, ${threadWords(threads)}`,
      bytes,
      rounds: options.rounds,
      same: async (contender) =>
        native !== undefined && contender.workers !== undefined && contender.output !== undefined
          ? sameTensors(output("native"), contender.output)
          : undefined,
    },
    contenders,
  );
  await removeOutputs(contenders);
  await rm(whole);
  await rm(input, { recursive: true });
  return measured;
}
