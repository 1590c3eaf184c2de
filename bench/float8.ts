/**
 * The processor time of FP8 → Q4_K_M next to that of BF16 → Q4_K_M, on a made-up DeepSeek-V3 of a gigabyte of FP8:
 *   node bench/float8.ts [--layers 8] [--rounds 3] [--threads 2] [--folder <for temporary files>]
 */
import { mkdtemp, rm } from "node:fs/promises";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { nodeUsage, type Usage } from "./child-process.ts";
import { makeDeepseek } from "./make-deepseek.ts";
import { inTurns } from "./processes.ts";
import { spread } from "./results.ts";
import { command } from "./start-up.ts";

const { values } = parseArgs({
  options: {
    layers: { type: "string", default: "8" },
    rounds: { type: "string", default: "3" },
    threads: { type: "string", default: String(Math.min(2, availableParallelism())) },
    folder: { type: "string", default: tmpdir() },
  },
});

const folder = await mkdtemp(join(values.folder, "requant-float8-"));
try {
  const contenders = [];
  for (const kind of ["FP8", "BF16"] as const) {
    const input = join(folder, kind);
    const bytes = await makeDeepseek(input, Number(values.layers), kind);
    console.log(`${kind}: ${(bytes / 1e9).toFixed(2)} GB`);
    contenders.push({ kind, input, usages: [] as Usage[] });
  }
  const output = join(folder, "out.gguf");
  const options = ["--to", "gguf:q4_k_m", "--no-verify", "--overwrite", "--jobs", values.threads];
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const { input, usages } of inTurns(contenders, round)) {
      usages.push(await nodeUsage(command, ["convert", input, output, ...options]));
    }
  }
  const seconds = contenders.map(({ kind, usages }) => {
    const cpu = spread(usages.map(({ cpuSeconds }) => cpuSeconds));
    console.log(`${kind} → Q4_K_M: ${JSON.stringify(cpu)} seconds of processor time`);
    return cpu.least;
  });
  console.log(`FP8 / BF16, best of each: ${((seconds[0] ?? 0) / (seconds[1] ?? 1)).toFixed(3)}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
