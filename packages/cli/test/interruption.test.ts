/** The built program, as a person or a power failure ends it. `pnpm test` builds it first. */
import { type ChildProcess, execFile, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { interrupted, requant } from "./run.ts";

const root = resolve(import.meta.dirname, "../../..");
const bin = join(root, "packages/cli/dist/bin.js");
const folder = mkdtempSync(join(tmpdir(), "requant-interruption-"));
const source = join(folder, "model.gguf");
const SHAPE = ["--layers", "2", "--embedding", "512", "--vocabulary", "4096"];

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function convert(output: string, ...options: string[]): ChildProcess {
  return spawn(process.execPath, [bin, "convert", source, output, "--to", "gguf:q4_k_m", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function ended(child: ChildProcess): Promise<{ status: number | null; err: string }> {
  let err = "";
  child.stderr?.on("data", (data: Buffer) => {
    err += data.toString();
  });
  const [status] = (await once(child, "close")) as [number | null];
  return { status, err };
}

/** Waits until pieces are written into the journal, more than are there now. */
async function underWay(output: string): Promise<void> {
  const journal = join(output, "..", `.${output.split("/").at(-1)}.requant-journal`);
  const sizeNow = (): number => (existsSync(journal) ? statSync(journal).size : 0);
  const before = sizeNow();
  for (let waited = 0; waited < 60_000; waited += 2) {
    if (sizeNow() > Math.max(before, 200)) return;
    await new Promise((done) => setTimeout(done, 2));
  }
  throw new Error("nothing was written");
}

describe.skipIf(!existsSync(bin))("the built program (skipped: it is not built)", () => {
  beforeAll(async () => {
    await promisify(execFile)(process.execPath, [join(root, "scripts/make-model.mjs"), source, ...SHAPE]);
  });

  it("Ctrl-C, or a terminal that is closed: 130, no file, and the rest on the next call", async () => {
    const [whole, output] = [join(folder, "whole.gguf"), join(folder, "c", "x.gguf")];
    expect(await ended(convert(whole, "--jobs", "1"))).toMatchObject({ status: 0 });
    for (const [index, jobs] of ["1", "2"].entries()) {
      const child = convert(output, "--jobs", jobs, ...(index === 0 ? [] : ["--resume"]));
      const end = ended(child);
      await underWay(output);
      child.kill(index === 0 ? "SIGINT" : "SIGHUP");
      const { status, err } = await end;
      expect(err).toContain("--resume");
      expect(status).toBe(130);
      expect(readdirSync(join(folder, "c")).every((name) => name.startsWith("."))).toBe(true);
    }
    expect(await ended(convert(output, "--jobs", "2", "--resume"))).toMatchObject({ status: 0 });
    expect(Buffer.compare(readFileSync(output), readFileSync(whole))).toBe(0);
    expect(readdirSync(join(folder, "c"))).toEqual(["x.gguf"]);
  });

  it("a second process on the same output is refused with status 4", async () => {
    const output = join(folder, "two", "x.gguf");
    const first = convert(output, "--jobs", "1");
    const end = ended(first);
    await underWay(output);
    first.kill("SIGSTOP");
    const second = await ended(convert(output, "--json"));
    first.kill("SIGCONT");
    expect(second.status).toBe(4);
    expect(JSON.parse(second.err)).toMatchObject({
      error: { code: "IO", message: expect.stringContaining(`process ${first.pid}`) },
    });
    expect(await end).toMatchObject({ status: 0 });
  });

  /** A file system of so many megabytes; undefined where that takes rights that we have not. */
  function smallDisk(name: string, megabytes: number): string | undefined {
    const path = join(folder, name);
    mkdirSync(path);
    const { status } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", path]);
    return status === 0 ? path : undefined;
  }

  it("a full disk: 4, no file, and the rest when there is room", async ({ skip }) => {
    const disk = smallDisk("disk", 8);
    if (disk === undefined) return skip("mounting a file system needs more rights");
    try {
      writeFileSync(join(disk, "filler"), Buffer.alloc(5 * 1024 * 1024, 1));
      const output = join(disk, "x.gguf");
      for (const options of [
        ["--jobs", "1"],
        ["--jobs", "2", "--resume"],
      ]) {
        const { status, err } = await ended(convert(output, ...options));
        expect(err).toMatch(/no space left on the disk/);
        expect(status).toBe(4);
        expect(readdirSync(disk)).not.toContain("x.gguf");
      }
      rmSync(join(disk, "filler"));
      expect(await ended(convert(output, "--jobs", "2", "--resume"))).toMatchObject({ status: 0 });
      expect(Buffer.compare(readFileSync(output), readFileSync(join(folder, "whole.gguf")))).toBe(0);
      expect(readdirSync(disk)).toEqual(["x.gguf"]);
    } finally {
      spawnSync("umount", [disk]);
    }
  });

  it("50 kills at random moments cost no byte", async () => {
    const script = join(root, "scripts/kill-test.mjs");
    const { stdout } = await promisify(execFile)(process.execPath, [script, "--kills", "50", ...SHAPE]);
    expect(JSON.parse(stdout)).toMatchObject({ kills: 50, identical: true });
  }, 300_000);
});

describe("options", () => {
  it.each([
    ["fake-quantize", ["--to", "gguf:q8_0", "--jobs", "2"]],
    ["split", ["--max-size", "1MB"]],
  ] as const)("%s goes on after Ctrl-C with --resume", async (command, options) => {
    const hf = join(root, "fixtures/kjv/hf");
    const [whole, stopped] = ["whole", "stopped"].map((name) => join(folder, `${command}-${name}`)) as [
      string,
      string,
    ];
    expect(await requant(command, hf, whole, ...options)).toMatchObject({ status: 0 });
    const { status, err } = await interrupted(0, command, hf, stopped, ...options);
    expect(err).toContain("--resume");
    expect(status).toBe(130);
    expect(await requant(command, hf, stopped, ...options, "--resume")).toMatchObject({ status: 0 });
    const files = readdirSync(whole);
    expect(readdirSync(stopped)).toEqual(files);
    for (const name of files) {
      expect(Buffer.compare(readFileSync(join(stopped, name)), readFileSync(join(whole, name))), name).toBe(
        0,
      );
    }
  });

  it.each(["0", "-1", "two", "1.5", "9999"])("--jobs %s is refused", async (jobs) => {
    expect(await requant("convert", "a", "b", "--to", "gguf:q8_0", "--jobs", jobs)).toMatchObject({
      status: 2,
    });
  });
});
