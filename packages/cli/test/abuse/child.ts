/** The built command as a person or a script would start it, with what it used. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { z } from "zod";

const packageFolder = resolve(import.meta.dirname, "../..");
export const builtCommand: string = resolve(packageFolder, "dist/bin.js");
export const isBuilt: boolean = existsSync(builtCommand);

const usageSchema = z.object({ cpuSeconds: z.number(), rssMegabytes: z.number() });

export interface ChildResult {
  /** Undefined when the process was killed, or died of a signal. */
  readonly status: number | undefined;
  readonly signal: string | undefined;
  readonly out: string;
  readonly err: string;
  /** Undefined when the process died without telling. */
  readonly usage: z.infer<typeof usageSchema> | undefined;
}

/** Runs `requant …args` in `cwd`, where its home and temporary folder are too. Killed after `killAfter` seconds. */
export function runBuilt(
  args: readonly string[],
  options: { cwd: string; killAfter: number; env?: Readonly<Record<string, string>> },
): Promise<ChildResult> {
  const { cwd, killAfter, env = {} } = options;
  const child = spawn(
    process.execPath,
    [`--import=${pathToFileURL(resolve(import.meta.dirname, "measure.mjs"))}`, builtCommand, ...args],
    {
      cwd,
      env: {
        PATH: process.env["PATH"],
        HOME: cwd,
        TMPDIR: cwd,
        NO_COLOR: "1",
        // Node's copies of our own code are nothing that a file has left
        NODE_DISABLE_COMPILE_CACHE: "1",
        ...env,
      },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
      timeout: killAfter * 1000,
      killSignal: "SIGKILL",
    },
  );
  const texts = ["", "", ""];
  for (const [index, stream] of [child.stdout, child.stderr, child.stdio[3]].entries()) {
    if (stream === null || stream === undefined || !("setEncoding" in stream)) continue;
    stream.setEncoding("utf8").on("data", (text: string) => {
      texts[index] += text;
    });
  }
  return new Promise((done, failed) => {
    child.once("error", failed);
    child.once("close", (status, signal) => {
      const [out = "", err = "", usage = ""] = texts;
      done({
        status: status ?? undefined,
        signal: signal ?? undefined,
        out,
        err,
        usage: usage === "" ? undefined : usageSchema.parse(JSON.parse(usage)),
      });
    });
  });
}
