import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

export interface Usage {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  readonly peakBytes: number;
  /** Only on Linux. */
  readonly writtenBytes?: number;
}

/** The path of a program in `children/`. They are plain JavaScript: stripping types would cost them time and memory. */
export function childPath(name: string): string {
  return fileURLToPath(new URL(`children/${name}`, import.meta.url));
}

/**
 * Runs a Node program to its end and returns its use of time and memory. The start of Node is included, for all
 * contenders alike.
 */
export async function nodeUsage(script: string, args: readonly string[]): Promise<Usage> {
  const preload = new URL("children/usage.mjs", import.meta.url).href;
  const start = performance.now();
  const report = await outputOf(process.execPath, ["--import", preload, script, ...args], 3);
  const wallSeconds = (performance.now() - start) / 1e3;
  const usage = JSON.parse(report);
  const { writtenBytes } = usage;
  return {
    wallSeconds,
    cpuSeconds: Number(usage.cpuSeconds),
    peakBytes: Number(usage.peakBytes),
    ...(writtenBytes === undefined ? {} : { writtenBytes: Number(writtenBytes) }),
  };
}

/** What a program writes to one of its file descriptors. */
export async function outputOf(
  command: string,
  args: readonly string[],
  descriptor: 1 | 3 = 1,
): Promise<string> {
  const stdio = ["ignore", descriptor === 1 ? "pipe" : "ignore", "pipe", "pipe"] as const;
  const started = spawn(command, args, { stdio: [...stdio] });
  let output = "";
  let complaint = "";
  started.stdio[descriptor]?.on("data", (bytes: Buffer) => {
    output += bytes.toString();
  });
  started.stderr?.on("data", (bytes: Buffer) => {
    complaint = (complaint + bytes.toString()).slice(-2000);
  });
  const status = await new Promise<number | null>((resolve, reject) => {
    started.on("error", reject);
    started.on("close", resolve);
  });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} ended with ${status}:\n${complaint}`);
  return output;
}
