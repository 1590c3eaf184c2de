/** What the commands that run a model over a text have in common. */
import { readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Compute, wasmCompute } from "@requant/calibrate";
import { nodeAdapter, nodeThreads } from "@requant/calibrate/node";
import type { MeasureControl } from "@requant/convert";
import { IoError, UsageError, type WriteStore } from "@requant/core";
import { directoryStore } from "@requant/core/node";
import { parseCount } from "@requant/core/text";
import { BUILTIN } from "./calibration-options.ts";
import type { Context } from "./context.ts";
import { ProgressBar, tokensPerSecond } from "./render/progress.ts";
import { tell } from "./render/tell.ts";

/** The text to calibrate with: of a file, or the one that comes with this program. */
export async function calibrationTextOf(argument: string): Promise<string> {
  if (argument !== BUILTIN) return textOf(argument);
  const { calibrationText } = await import("@requant/calibration-text");
  return calibrationText;
}

/** The text of a file. @throws UsageError for a file that is not text */
export async function textOf(path: string): Promise<string> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new IoError(`${path}: the text cannot be read.`, { path, cause, hint: "Check the path." });
  });
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (cause) {
    throw new UsageError(`${path}: the file is not text in UTF-8.`, {
      path,
      cause,
      hint: /\.(gguf|dat)$/i.test(path)
        ? "Give a file of plain text. An importance matrix goes to --imatrix."
        : "Give a file of plain text.",
    });
  }
}

/** A number of tokens, windows or chunks, or a seed. */
export function countOption(value: unknown): number | undefined {
  return typeof value === "string" ? parseCount(value) : undefined;
}

/** The options that say what computes: `--jobs` and `--device`. */
interface MachineOptions {
  readonly jobs?: unknown;
  readonly device?: unknown;
}

async function computeFor({ jobs, device }: MachineOptions, context: Context): Promise<Compute> {
  const threads = nodeThreads({ jobs: typeof jobs === "number" ? jobs : undefined });
  if (device !== "webgpu") return wasmCompute({ threads });
  const adapter = await nodeAdapter();
  const { webgpuCompute } = await import("@requant/calibrate/webgpu");
  const compute = await webgpuCompute({ adapter, cpu: wasmCompute({ threads }) });
  tell(`The model runs on ${compute.name}.`, context);
  return compute;
}

/** Runs `work` with what computes and a progress bar, and ends both whatever happens. */
export async function measured<T>(
  context: Context,
  machine: MachineOptions,
  work: (tools: MeasureControl & { readonly compute: Compute }) => Promise<T>,
): Promise<T> {
  const { streams, signal, options } = context;
  const compute = await computeFor(machine, context);
  const bar = new ProgressBar(streams.err, options.quiet === true, tokensPerSecond);
  try {
    return await work({ compute, signal, onProgress: ({ done, total }) => bar.update(done, total) });
  } finally {
    bar.end();
    await compute.close();
  }
}

/** Working files that no other run of this program uses. */
export function temporaryStore(): WriteStore {
  return directoryStore(join(tmpdir(), `requant-${process.pid}`));
}
