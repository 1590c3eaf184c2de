/** From the start of the process to its end, for commands that do almost nothing. */
import { spawnSync } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { makeModel } from "./make-model.ts";
import { type Measurement, spread } from "./results.ts";

/** The command as it is published. */
export const command: string = join(
  dirname(createRequire(import.meta.url).resolve("@requant/cli/package.json")),
  "dist/bin.js",
);

export async function measureStartUp(folder: string, rounds: number): Promise<Measurement[]> {
  const model = join(folder, "small.gguf");
  await makeModel(
    model,
    { layers: 2, width: 64, feedForward: 128, heads: 2, keyValueHeads: 1, vocabularySize: 64 },
    { tokens: 64, merges: 16 },
  );
  const empty = join(folder, "empty.mjs");
  await writeFile(empty, "");
  const contenders = [
    { name: "node, an empty file", args: [empty] },
    { name: "requant --version", args: [command, "--version"] },
    { name: "requant --help", args: [command, "--help"] },
    { name: "requant inspect, a small GGUF", args: [command, "inspect", model] },
  ].map((contender) => ({ ...contender, samples: [] as number[] }));
  for (let round = 0; round < rounds; round++) {
    for (const { name, args, samples } of contenders) {
      const start = performance.now();
      const { status } = spawnSync(process.execPath, args, { stdio: "ignore" });
      samples.push((performance.now() - start) / 1e3);
      if (status !== 0) throw new Error(`${name} ended with ${status}`);
    }
  }
  return contenders.map(({ name, samples }) => ({
    part: "start-up",
    task: "start to end",
    contender: name,
    samples: samples.length,
    wallSeconds: spread(samples),
  }));
}
