/** The command line from its sources: the oracle of what the page makes. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";

const BIN = resolve(import.meta.dirname, "../../cli/src/bin.ts");

export interface CommandResult {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function command(...args: readonly string[]): CommandResult {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=@requant/source", BIN, ...args],
    { encoding: "utf8", env: { ...process.env, COLUMNS: "10000" } },
  );
  return { status, stdout, stderr };
}

/** Converts, and throws what the command says where it refuses. */
export function convertedBy(source: string, output: string, ...options: readonly string[]): void {
  const { status, stderr } = command("convert", source, output, "--quiet", ...options);
  if (status !== 0) throw new Error(stderr);
}

export function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** What `sha256sum` prints of a file alone, or of all files of a folder in the order of their names. */
export function sha256sum(path: string): string {
  if (statSync(path).isFile()) return sha256(readFileSync(path));
  return readdirSync(path)
    .sort()
    .map((name) => `${sha256(readFileSync(join(path, name)))}  ${name}`)
    .join("\n");
}
