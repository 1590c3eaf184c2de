/**
 * Runs the built command on models of realistic sizes: Llama 3.1 8B, Qwen 3 30B with its 18,867 tensors, and Llama 3.1
 * 70B, as sparse files. Prints the time and memory of each run; status 1 when a run fails or uses more memory than its
 * bound.
 *   pnpm true-shapes [--only llama-8b] [--folder DIR] [--jobs 2]
 * A conversion is skipped, and the table says so, where the disk has no room for its output.
 */
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, statfsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { commandMemoryBound, convertMemoryBound } from "../fixtures/memory-bounds.ts";
import {
  llama8b,
  llama70b,
  llamaShape,
  makeTrueShape,
  mixtureShape,
  qwen30b,
  type TrueShape,
} from "../fixtures/true-shapes.ts";

const command = fileURLToPath(new URL("../packages/cli/dist/bin.js", import.meta.url));
const preload = new URL("../bench/children/usage.mjs", import.meta.url).href;

const MODELS: readonly { readonly shape: TrueShape; readonly converts: boolean }[] = [
  { shape: llamaShape("llama-8b", llama8b), converts: true },
  { shape: mixtureShape("qwen-30b", qwen30b), converts: true },
  { shape: llamaShape("llama-70b", llama70b), converts: false },
];

/** Of the source's bytes, a little above what Q8_0 and Q4_K_M take of BF16. */
const TARGETS: readonly { readonly type: string; readonly share: number }[] = [
  { type: "q8_0", share: 0.55 },
  { type: "q4_k_m", share: 0.32 },
];

/** Bytes of the disk that stay free. */
const KEPT_FREE = 8e9;

interface Usage {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
}

interface Run {
  readonly name: string;
  readonly args: readonly string[];
  readonly bound: number;
  /** Holes are matrices of zeros, which the doctor reports with status 1. */
  readonly statuses: readonly number[];
}

async function measured({ args, statuses }: Run): Promise<Usage> {
  const started = performance.now();
  const child = spawn(process.execPath, ["--import", preload, command, ...args], {
    stdio: ["ignore", "ignore", "pipe", "pipe"],
  });
  let report = "";
  let complaint = "";
  child.stdio[3]?.on("data", (bytes: Buffer) => {
    report += bytes.toString();
  });
  child.stderr?.on("data", (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(-500);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", resolve);
  });
  if (status === null || !statuses.includes(status)) throw new Error(`status ${status}: ${complaint.trim()}`);
  const { cpuSeconds, peakBytes } = JSON.parse(report);
  return { wallSeconds: (performance.now() - started) / 1000, cpuSeconds, peakBytes };
}

const { values } = parseArgs({
  options: {
    only: { type: "string" },
    folder: { type: "string", default: tmpdir() },
    jobs: { type: "string", default: "2" },
  },
});
if (!existsSync(command)) throw new Error("The command is not built: pnpm build.");
const chosen = MODELS.filter(({ shape }) => values.only === undefined || shape.name === values.only);
if (chosen.length === 0) throw new Error(`--only takes ${MODELS.map(({ shape }) => shape.name).join(", ")}.`);

const folder = mkdtempSync(join(values.folder, "requant-true-shapes-"));
process.once("SIGINT", () => process.exit(130));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const line = (...cells: readonly string[]): void => console.log(`| ${cells.join(" | ")} |`);
line("model", "command", "wall s", "processor s", "peak MB", "bound MB", "");
line("---", "---", "---", "---", "---", "---", "---");

async function report(model: string, run: Run): Promise<void> {
  const bound = (run.bound / 1e6).toFixed(0);
  try {
    const { wallSeconds, cpuSeconds, peakBytes } = await measured(run);
    const isWithin = peakBytes <= run.bound;
    if (!isWithin) process.exitCode = 1;
    const figures = [wallSeconds.toFixed(1), cpuSeconds.toFixed(1), (peakBytes / 1e6).toFixed(0)];
    line(model, run.name, ...figures, bound, isWithin ? "" : "too much memory");
  } catch (error) {
    process.exitCode = 1;
    line(model, run.name, "", "", "", bound, `failed: ${error instanceof Error ? error.message : error}`);
  }
}

for (const { shape, converts } of chosen) {
  const { path, byteLength } = makeTrueShape(folder, shape);
  const small = (name: string, ...args: readonly string[]): Run => ({
    name: [name, ...args].join(" "),
    args: [name, path, ...args],
    bound: commandMemoryBound,
    statuses: [0],
  });
  await report(shape.name, small("inspect"));
  for (const { type } of TARGETS) await report(shape.name, small("plan", "--to", `gguf:${type}`));
  await report(shape.name, small("doctor", "--quick"));
  if (converts) await report(shape.name, { ...small("doctor"), statuses: [0, 1] });
  for (const { type, share } of converts ? TARGETS : []) {
    const { bavail, bsize } = statfsSync(folder);
    const output = join(folder, "out.gguf");
    const name = `convert --to gguf:${type} --jobs ${values.jobs}`;
    if (bavail * bsize < byteLength * share + KEPT_FREE) {
      line(shape.name, name, "", "", "", "", "skipped: the disk has no room for the output");
      continue;
    }
    await report(shape.name, {
      name,
      args: ["convert", path, output, "--to", `gguf:${type}`, "--jobs", values.jobs, "--quiet"],
      bound: convertMemoryBound(Number(values.jobs)),
      statuses: [0],
    });
    rmSync(output, { force: true });
  }
  rmSync(path, { recursive: true });
}
