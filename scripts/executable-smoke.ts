// Runs the standalone executable where it has nothing else: no PATH, no packages, an empty home. What it writes must
// equal what the built command of the package writes.
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { makeModel } from "./make-model.mjs";

const root = resolve(import.meta.dirname, "..");
const built = join(root, "dist/executable", process.platform === "win32" ? "requant.exe" : "requant");
const command = join(root, "packages/cli/dist/bin.js");
const kjv = join(root, "fixtures/kjv/hf");
const heldout = join(root, "fixtures/kjv/heldout.txt");
const folder = mkdtempSync(join(tmpdir(), "requant-executable-"));
const executable = join(folder, "alone", basename(built));
/** SystemRoot: without it, Windows opens no socket. */
const env = { PATH: "", HOME: folder, USERPROFILE: folder, SystemRoot: process.env["SystemRoot"] };

function check(isTrue: boolean, what: string): void {
  if (!isTrue) throw new Error(`The standalone executable: ${what}`);
}

function run(program: string, args: readonly string[], expected: number): string {
  const ended: SpawnSyncReturns<string> = spawnSync(program, args, { cwd: folder, env, encoding: "utf8" });
  const shown = `${ended.stdout}${ended.stderr}${ended.error ?? ""}`;
  check(
    ended.status === expected,
    `${args.join(" ")}: exit status ${ended.status}, expected ${expected}\n${shown}`,
  );
  return ended.stdout;
}
const alone = (expected: number, ...args: string[]): string => run(executable, args, expected);
const packaged = (...args: string[]): string => run(process.execPath, [command, ...args], 0);

/** Both write the same bytes with two threads. */
function sameBytes(what: string, args: (output: string) => string[]): void {
  alone(0, ...args("alone.gguf"));
  packaged(...args("packaged.gguf"));
  const [one, other] = ["alone.gguf", "packaged.gguf"].map((name) => readFileSync(join(folder, name)));
  check(one !== undefined && other !== undefined && one.equals(other), `${what} writes other bytes.`);
  console.log(`${what}: the same ${one?.byteLength} bytes`);
}

/** Opens the page: one request. */
async function page(): Promise<void> {
  const server = spawn(executable, ["ui", kjv, "--port", "0"], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    const url = await new Promise<string>((resolve, reject) => {
      server.stdout.once("data", (data: Buffer) => resolve(data.toString().trim()));
      server.once("exit", (status) => reject(new Error(`ui ended with status ${status}`)));
    });
    const answer = await fetch(url.split("#")[0] ?? url);
    const text = await answer.text();
    const expected = readFileSync(join(root, "packages/web/dist/index.html"), "utf8");
    check(answer.status === 200 && text === expected, `ui answers ${answer.status} and another page.`);
    console.log("ui: the page");
  } finally {
    server.kill();
  }
}

try {
  check(existsSync(built), "it is not built. Run pnpm run executable.");
  mkdirSync(join(folder, "alone"));
  copyFileSync(built, executable);
  const version = alone(0, "--version").trim();
  check(version === packaged("--version").trim(), `--version prints ${version}.`);
  check(alone(0, "inspect", kjv) === packaged("inspect", kjv), "inspect prints another text.");
  console.log(`requant ${version}: inspect`);
  // one more thread starts for every 4 million weights
  await makeModel(join(folder, "large.gguf"), { layers: 2, embedding: 512, vocabulary: 8000 });
  sameBytes("convert", (output) => ["convert", "large.gguf", output, "--to", "gguf:q4_k_m", "--jobs", "2"]);
  for (const name of ["alone.gguf", "packaged.gguf"]) rmSync(join(folder, name));
  sameBytes("imatrix", (output) => {
    const text = ["--text", heldout, "--window", "64", "--chunks", "4"];
    return ["imatrix", kjv, ...text, "--jobs", "2", "-o", output];
  });
  alone(0, "convert", kjv, "exact.gguf", "--to", "gguf:bf16", "--exact");
  alone(0, "verify", kjv, "exact.gguf");
  console.log("verify");
  await page();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
