/**
 * What differs between Linux, macOS and Windows. No test here runs on the other systems: the answers of their file systems are
 * given by the test. Oracles: Microsoft's "Naming Files, Paths, and Namespaces" and the codes that Node has for its errors.
 */
import { spawn } from "node:child_process";
import { link, mkdir, mkdtemp, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { whileBusy } from "../src/io/node/busy-files.ts";
import { directoryStore, lockFile } from "../src/io/node/index.ts";
import { hasEnded, thisProcess } from "../src/io/node/owner.ts";
import { fileIdentity } from "../src/io/node/same-file.ts";
import { refuseWindowsName, windowsNameFault } from "../src/io/node/windows-names.ts";

const folder = await mkdtemp(join(tmpdir(), "requant-platforms-"));
const at = (name: string): string => join(folder, name);
afterAll(() => rm(folder, { recursive: true, force: true }));

const failure = (code: string): Error => Object.assign(new Error(code), { code });

describe("a file that another program holds for a moment", () => {
  /** Fails so many times; counts its calls and the time that was waited. */
  async function attempt(platform: NodeJS.Platform, code: string, failures: number) {
    let calls = 0;
    let waited = 0;
    const act = async (): Promise<string> => {
      calls += 1;
      if (calls <= failures) throw failure(code);
      return "renamed";
    };
    const wait = async (milliseconds: number): Promise<void> => {
      waited += milliseconds;
    };
    const result = await whileBusy(act, { platform, wait }).catch((error: Error) => error.message);
    return { result, calls, waited };
  }

  it.each(["EPERM", "EACCES", "EBUSY"])("on Windows, %s is tried again", async (code) => {
    expect(await attempt("win32", code, 3)).toEqual({ result: "renamed", calls: 4, waited: 80 });
  });

  it("on Windows, for three seconds and no longer", async () => {
    expect(await attempt("win32", "EBUSY", 1000)).toEqual({ result: "EBUSY", calls: 9, waited: 2980 });
  });

  it("other errors, and other systems, fail at once", async () => {
    expect(await attempt("win32", "ENOENT", 1)).toEqual({ result: "ENOENT", calls: 1, waited: 0 });
    expect(await attempt("linux", "EPERM", 1)).toEqual({ result: "EPERM", calls: 1, waited: 0 });
    expect(await attempt("darwin", "EBUSY", 1)).toEqual({ result: "EBUSY", calls: 1, waited: 0 });
  });
});

describe("names of files on Windows", () => {
  it.each([
    ["CON", "is the name of a device"],
    ["nul.gguf", "is the name of a device"],
    ["Aux.tar.gz", "is the name of a device"],
    ["COM1", "is the name of a device"],
    ["lpt\u00b2.txt", "is the name of a device"],
    ["con .txt", "is the name of a device"],
    ["model.", "ends with a dot or a blank, which Windows leaves out"],
    ["model ", "ends with a dot or a blank, which Windows leaves out"],
    ["a:b", 'has the character ":", which Windows does not allow'],
    ["what?.gguf", 'has the character "?", which Windows does not allow'],
    ["a|b", 'has the character "|", which Windows does not allow'],
    ["tab\there", 'has the character "\\t", which Windows does not allow'],
  ])("%j %s", (name, fault) => expect(windowsNameFault(name)).toBe(fault));

  it.each([
    "model.gguf",
    "console.gguf",
    "com10.gguf",
    "nullable",
    ".hidden",
    "model-00001-of-00002.gguf",
    "é.gguf",
    "a b.gguf",
  ])("%j is a name", (name) => expect(windowsNameFault(name)).toBeUndefined());

  it("are refused there alone, each folder of a path", () => {
    expect(() => refuseWindowsName("out/aux/model.gguf", "out", "win32")).toThrow(
      'The name "aux" is the name of a device.',
    );
    expect(() => refuseWindowsName("out\\model.gguf.", "out", "win32")).toThrow(/ends with a dot/);
    expect(() => refuseWindowsName("out/aux/model.gguf", "out", "linux")).not.toThrow();
  });
});

describe("which file a path leads to", () => {
  it("does not depend on how it is spelled", async () => {
    await mkdir(at("model"));
    await writeFile(at("model/a.gguf"), "a");
    // a second name stands for the second spelling of a disk that ignores case or Unicode forms
    await link(at("model/a.gguf"), at("model/A.GGUF"));
    await symlink("model", at("Model"));
    const [one, other, linked] = await Promise.all(
      ["model/a.gguf", "model/A.GGUF", "Model/a.gguf"].map((name) => fileIdentity(at(name))),
    );
    expect(one?.own).toMatch(/^\d+:\d+$/);
    expect(other).toEqual(one);
    expect(linked).toEqual(one);
    const [inner] = one?.above ?? [];
    expect(inner).toBe((await fileIdentity(at("model"))).own);
  });

  it("and a file that is not there has the folders above it", async () => {
    const { own, above } = await fileIdentity(at("nothing/there/a.gguf"));
    expect({ own, first: above[0] }).toEqual({ own: undefined, first: (await fileIdentity(folder)).own });
  });
});

describe("names in two Unicode forms", () => {
  it.each([
    ["NFC", "NFD"],
    ["NFD", "NFC"],
  ])("a file that is written in %s is found in %s", async (written, asked) => {
    const store = directoryStore(at(`forms-${written}`));
    await mkdir(at(`forms-${written}/sub`), { recursive: true });
    const name = "modèle-é.safetensors";
    await writeFile(at(join(`forms-${written}`, "sub", name.normalize(written))), "weights");
    const source = await store.open(`sub/${name.normalize(asked)}`);
    expect(new TextDecoder().decode(await source?.read(0, 7))).toBe("weights");
    await source?.close();
    expect(await store.open("sub/modele.safetensors")).toBeUndefined();
    expect(await store.open("sub/modèlè.safetensors")).toBeUndefined();
  });

  it("no link out of the folder is followed by its other spelling", async () => {
    await mkdir(at("linked"));
    await writeFile(at("secret"), "secret");
    await symlink(at("secret"), at(`linked/${"é.json".normalize("NFD")}`));
    await expect(directoryStore(at("linked")).open("é.json".normalize("NFC"))).rejects.toMatchObject({
      reason: "link-outside",
    });
  });
});

describe("locks where the system does not tell when a process began", () => {
  it("a process that has the id may be another one, so it cannot be told whether the owner has ended", async () => {
    const { host } = await thisProcess();
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    try {
      const owner = { pid: child.pid ?? 0, host, started: "" };
      expect(await hasEnded(owner)).toBeUndefined();
    } finally {
      const ended = new Promise((done) => child.once("exit", done));
      child.kill("SIGKILL");
      await ended;
    }
    expect(await hasEnded({ pid: child.pid ?? 0, host, started: "" })).toBe(true);
    expect(host.startsWith(hostname())).toBe(true);
  });

  it("a lock that nobody touches is taken over, and one that is touched is not", async () => {
    const { host } = await thisProcess();
    const path = at("locked.gguf");
    const lock = at(".locked.gguf.requant-lock");
    // process 1 is always there
    await writeFile(lock, JSON.stringify({ pid: 1, host, started: "" }));
    await expect(lockFile(path)).rejects.toMatchObject({ code: "IO", message: /process 1 / });
    const old = new Date(Date.now() - 10 * 60_000);
    await utimes(lock, old, old);
    const mine = await lockFile(path);
    expect(JSON.parse(await readFile(lock, "utf8"))).toMatchObject({ pid: process.pid });
    await mine.release();
  });
});
