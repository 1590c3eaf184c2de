/** Whole conversions without floats: GPTQ and AWQ directories to GGUF, next to a plain copy of their files. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { childPath, nodeUsage } from "./child-process.ts";
import { makePacked, type PackedFormat } from "./make-packed.ts";
import { measureProcesses, type ProcessContender, removeOutputs, threadWords } from "./processes.ts";
import type { Measurement } from "./results.ts";
import { command } from "./start-up.ts";

export interface PackedOptions {
  readonly gigabytes: number;
  readonly threads: number;
  readonly rounds: number;
}

/** Weights of a layer, by the shape below, and bytes for each with its scale and zero point. */
const WIDTH = 2048;
const FEED_FORWARD = 5632;
const LAYER_BYTES = (2 * WIDTH * WIDTH + 2 * WIDTH * 512 + 3 * WIDTH * FEED_FORWARD) * (0.5 + 2.5 / 128);

/** Half as large as the model of the float conversions. */
export async function measurePacked(folder: string, options: PackedOptions): Promise<Measurement[]> {
  return [
    ...(await measureFormat("gptq", "Q4_0", folder, options)),
    ...(await measureFormat("awq", "Q5_0", folder, options)),
  ];
}

async function measureFormat(
  format: PackedFormat,
  type: "Q4_0" | "Q5_0",
  folder: string,
  options: PackedOptions,
): Promise<Measurement[]> {
  const input = join(folder, format);
  const shape = {
    layers: Math.max(1, Math.round((options.gigabytes * 5e8) / LAYER_BYTES)),
    width: WIDTH,
    feedForward: FEED_FORWARD,
    heads: 32,
    keyValueHeads: 8,
    vocabularySize: 4096,
  };
  const bytes = await makePacked(input, shape, format);
  const output = (contender: string): string =>
    join(folder, contender === "copy" ? `${format}-copy` : "packed.gguf");
  const jobs = ["--jobs", String(options.threads)];
  const to = ["--to", `gguf:${type.toLowerCase()}`, "--no-verify", "--overwrite"];
  const contenders: ProcessContender[] = [
    {
      name: "copy",
      output: output("copy"),
      run: () => nodeUsage(childPath("copy-folder.mjs"), [input, output("copy")]),
    },
    {
      name: "requant",
      output: output("requant"),
      workers: options.threads,
      run: () => nodeUsage(command, ["convert", input, output("requant"), ...to, ...jobs]),
    },
  ];
  const task = `${format.toUpperCase()} 4-bit → ${type}, ${threadWords(options.threads)}`;
  const measured = await measureProcesses(
    { part: "packed", task, bytes, rounds: options.rounds },
    contenders,
  );
  await rm(input, { recursive: true });
  await removeOutputs(contenders);
  return measured;
}
