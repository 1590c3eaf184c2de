/** Whole conversions without floats: GPTQ and AWQ directories to GGUF, next to a plain copy of their files. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { childPath, inTurns, nodeUsage, type Usage } from "./child-process.ts";
import { makePacked, type PackedFormat } from "./make-packed.ts";
import { type Measurement, spread } from "./results.ts";
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
  const contenders = [
    { name: "copy", run: () => nodeUsage(childPath("copy-folder.mjs"), [input, output("copy")]) },
    { name: "requant", run: () => nodeUsage(command, ["convert", input, output("requant"), ...to, ...jobs]) },
  ].map((contender) => ({ ...contender, usages: [] as Usage[] }));
  for (let round = 0; round < options.rounds; round++) {
    for (const { name, run, usages } of inTurns(contenders, round)) {
      await rm(output(name), { recursive: true, force: true });
      usages.push(await run());
    }
  }
  await rm(input, { recursive: true });
  for (const { name } of contenders) await rm(output(name), { recursive: true });
  return contenders.map(({ name, usages }) => ({
    part: "packed",
    task: `${format.toUpperCase()} 4-bit → ${type}, ${options.threads === 1 ? "one thread" : `${options.threads} threads`}`,
    contender: name,
    samples: usages.length,
    wallSeconds: spread(usages.map(({ wallSeconds }) => wallSeconds)),
    cpuSeconds: spread(usages.map(({ cpuSeconds }) => cpuSeconds)),
    peakBytes: spread(usages.map(({ peakBytes }) => peakBytes)),
    bytes,
  }));
}
