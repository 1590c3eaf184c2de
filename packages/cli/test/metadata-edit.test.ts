/** Metadata of a file that is there: changed in one step, whatever comes in between. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { layoutGguf } from "@requant/gguf";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { builtCommand, isBuilt } from "./abuse/child.ts";
import { requant } from "./run.ts";

const little = resolve(import.meta.dirname, "../../gguf/test/vectors/container/little.gguf");
const folder = mkdtempSync(join(tmpdir(), "requant-metadata-"));
const file = join(folder, "m.gguf");
const children: ChildProcess[] = [];

beforeEach(() => copyFileSync(little, file));
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  for (const name of readdirSync(folder)) rmSync(join(folder, name));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(...args: string[]): ChildProcess {
  const child = spawn(process.execPath, [builtCommand, "metadata", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  children.push(child);
  return child;
}

describe("metadata set", () => {
  it("of two at once none is lost without a word", async () => {
    const keys = ["a", "b", "c", "d"];
    const results = await Promise.all(keys.map((key) => requant("metadata", "set", file, `x.${key}=u32:1`)));
    const { out } = await requant("metadata", "list", file);
    for (const [index, { status, err }] of results.entries()) {
      expect(out.includes(`x.${keys[index]} `)).toBe(status === 0);
      if (status !== 0) expect([status, err]).toEqual([4, expect.stringMatching(/Another process/)]);
    }
    expect(readdirSync(folder)).toEqual(["m.gguf"]);
  });

  it.skipIf(process.platform === "win32")("keeps a private file private", async () => {
    chmodSync(file, 0o600);
    expect(await requant("metadata", "set", file, "x.a=u32:1")).toMatchObject({ status: 0 });
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  it.each([
    ["set", "a=u8:999"],
    ["set", "a"],
    ["unset", "no.such.key"],
    ["set", "=u8:1"],
  ])("%s %s changes nothing", async (action, entry) => {
    expect(await requant("metadata", action, file, entry)).toMatchObject({ status: 2 });
    expect(readFileSync(file)).toEqual(readFileSync(little));
    expect(readdirSync(folder)).toEqual(["m.gguf"]);
  });

  it("a file that is not GGUF stays as it is", async () => {
    writeFileSync(file, "no model");
    expect(await requant("metadata", "set", file, "a=u8:1")).toMatchObject({ status: 3 });
    expect(readFileSync(file, "utf8")).toBe("no model");
    expect(readdirSync(folder)).toEqual(["m.gguf"]);
  });
});

describe.skipIf(!isBuilt || process.platform !== "linux")(
  "a file of 10 GB (skipped: the command is not built, or files have no holes here)",
  () => {
    const BYTES = 10 * 2 ** 30;
    const { header, byteLength } = layoutGguf({
      metadata: new Map([["general.name", { type: "string", value: "old" }]]),
      tensors: Array.from({ length: 10 }, (_, i) => ({
        name: `t${i}`,
        shape: [2 ** 16, 2 ** 12],
        encoding: "F32",
      })),
    });

    /** Sparse: the header, a mark at the end, and holes. */
    function makeBig(): void {
      const mark = Buffer.from("last bytes of the last tensor");
      writeFileSync(file, header);
      truncateSync(file, byteLength - mark.length);
      writeFileSync(file, mark, { flag: "a" });
      expect(statSync(file).size).toBeGreaterThan(BYTES);
    }
    function lastBytes(): string {
      const mark = Buffer.alloc(29);
      readSync(openSync(file, "r"), mark, 0, 29, statSync(file).size - 29);
      return mark.toString();
    }
    const nameNow = async (): Promise<string> => (await requant("metadata", "get", file, "general.name")).out;
    const working = (): string[] => readdirSync(folder).filter((name) => name.endsWith("-part"));

    async function underWay(): Promise<void> {
      for (let waited = 0; working().length === 0; waited += 2) {
        if (waited > 60_000) throw new Error("nothing was written");
        await new Promise((done) => setTimeout(done, 2));
      }
    }

    it("is changed, and takes no more disk than before", async () => {
      makeBig();
      const started = performance.now();
      const child = start("set", file, "general.name=str:a longer name than before");
      expect((await once(child, "close"))[0]).toBe(0);
      console.log(`metadata set on 10 GB: ${((performance.now() - started) / 1000).toFixed(1)} s`);
      expect(await nameNow()).toBe("a longer name than before\n");
      expect(lastBytes()).toBe("last bytes of the last tensor");
      expect(statSync(file).blocks * 512).toBeLessThan(10e6);
      expect(readdirSync(folder)).toEqual(["m.gguf"]);
    }, 300_000);

    it("is whole after a kill, and the next change clears up", async () => {
      makeBig();
      for (let round = 0; round < 3; round++) {
        const child = start("set", file, "general.name=str:new");
        await underWay();
        await new Promise((done) => setTimeout(done, 50 * round));
        child.kill("SIGKILL");
        await once(child, "close");
        expect(["old\n", "new\n"]).toContain(await nameNow());
        expect(lastBytes()).toBe("last bytes of the last tensor");
      }
      copyFileSync(little, file);
      expect(await requant("metadata", "set", file, "x.a=u8:1")).toMatchObject({ status: 0 });
      expect(readdirSync(folder)).toEqual(["m.gguf"]);
    }, 120_000);

    it("Ctrl-C: 130, the old file, and nothing beside it", async () => {
      makeBig();
      const child = start("set", file, "general.name=str:new");
      await underWay();
      child.kill("SIGINT");
      expect((await once(child, "close"))[0]).toBe(130);
      expect(await nameNow()).toBe("old\n");
      expect(existsSync(file) && readdirSync(folder)).toEqual(["m.gguf"]);
    }, 60_000);
  },
);
