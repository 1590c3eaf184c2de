import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
  link,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { directoryStore, openStagedFile } from "@requant/core/node";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { StagedFile } from "../src/index.ts";
import { acquireLock } from "../src/io/node/lock.ts";
import { hasEnded, ownerTag, tagIsStale, thisProcess } from "../src/io/node/owner.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
const some = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 251);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const lockOf = (name: string): string => at(`.${name}.requant-lock`);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-staged-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function stage(name: string, resume = false, overwrite = false): Promise<StagedFile> {
  const { stage: open } = directoryStore(folder, { overwrite });
  if (open === undefined) throw new Error("a directory can stage");
  return open(name, { byteLength: 1000, resume });
}

/** The files that a killed process leaves, with nothing closed. */
async function abandoned(name: string, journal: string): Promise<void> {
  const file = await stage(name);
  await file.write(some(400), 0);
  await file.log(text(journal));
  await file.keep();
}

describe("a staged file", () => {
  test("removes the old lock of a process that was killed while it took a lock over", async () => {
    const [left, young] = [`${lockOf("a")}.861a9f529bc447e6`, `${lockOf("a")}.0123456789abcdef`];
    const longAgo = new Date(Date.now() - 3_600_000);
    await Promise.all([left, young, `${lockOf("a")}.notes`].map((path) => writeFile(path, "")));
    await utimes(left, longAgo, longAgo);
    const file = await stage("a");
    await file.publish();
    await file.finish();
    // another process may be about to put the young one back
    const kept = [".a.requant-lock.0123456789abcdef", ".a.requant-lock.notes", "a"];
    expect((await readdir(folder)).sort()).toEqual(kept);
  });

  test("removes such a lock at once where its owner has ended, and leaves that of a running one", async () => {
    const running = await thisProcess();
    const { pid } = spawnSync(process.execPath, ["--version"]);
    const ended = { ...running, pid, started: "" };
    await writeFile(`${lockOf("a")}.861a9f529bc447e6`, JSON.stringify(ended));
    await writeFile(`${lockOf("a")}.0123456789abcdef`, JSON.stringify(running));
    const file = await stage("a");
    await file.publish();
    await file.finish();
    expect((await readdir(folder)).sort()).toEqual([".a.requant-lock.0123456789abcdef", "a"]);
  });

  test("is written in any order, and appears whole", async () => {
    const file = await stage("a");
    await Promise.all([file.write(some(100), 900), file.write(some(300), 100)]);
    expect(await readdir(folder)).toEqual([".a.requant-journal", ".a.requant-lock", ".a.requant-part"]);
    expect(await directoryStore(folder).list()).toEqual([]);
    const back = new Uint8Array(300);
    await file.readInto(back, 100);
    expect(back).toEqual(some(300));
    await file.publish();
    await file.finish();
    expect(await readdir(folder)).toEqual(["a"]);
    const found = new Uint8Array(await readFile(at("a")));
    expect(found.byteLength).toBe(1000);
    expect(found.subarray(0, 100)).toEqual(new Uint8Array(100));
    expect(found.subarray(900)).toEqual(some(100));
  });

  test("is written by others from its address", async () => {
    const file = await stage("a");
    const { address } = file;
    if (address === undefined) throw new Error("a directory's files have an address");
    const other = await openStagedFile(address, file.name);
    await other.write(some(10), 5);
    const back = new Uint8Array(10);
    await file.readInto(back, 5);
    expect(back).toEqual(some(10));
    await expect(other.readInto(new Uint8Array(2), 999)).rejects.toMatchObject({ code: "IO" });
    await other.close();
    await file.discard();
    await file.discard();
    expect(await readdir(folder)).toEqual([]);
    await expect(file.write(some(1), 0)).rejects.toMatchObject({ code: "USAGE" });
  });

  test("continues with kept files, or removes them", async () => {
    await abandoned("a", "one\n");
    const resumed = await stage("a", true);
    expect(new TextDecoder().decode(resumed.journal)).toBe("one\n");
    expect(resumed.published).toBe(false);
    const back = new Uint8Array(400);
    await resumed.readInto(back, 0);
    expect(back).toEqual(some(400));
    await resumed.cutJournal(2);
    await resumed.log(text("x"));
    await resumed.sync();
    await resumed.keep();
    expect(await readFile(at(".a.requant-journal"), "utf8")).toBe("onx");
    const fresh = await stage("a");
    expect(fresh.journal.byteLength).toBe(0);
    await fresh.readInto(back, 0);
    expect(back).toEqual(new Uint8Array(400));
    await fresh.discard();
    expect(await readdir(folder)).toEqual([]);
  });

  test("a crash between the final name and the end of the journal is recognised", async () => {
    const file = await stage("a");
    await file.log(text("all\n"));
    await file.publish();
    // the process ends here without calling finish
    await rm(lockOf("a"));
    const resumed = await stage("a", true);
    expect(resumed.published).toBe(true);
    await resumed.publish();
    await resumed.finish();
    expect(await readdir(folder)).toEqual(["a"]);
    await file.finish();
  });

  test("a second name that a hard link left is not an unfinished file", async () => {
    const file = await stage("a");
    await file.write(some(1000), 0);
    await file.log(text("all\n"));
    await file.keep();
    await link(at(".a.requant-part"), at("a"));
    const resumed = await stage("a", true);
    expect(resumed.published).toBe(true);
    await resumed.keep();
    // and a run that starts over does not change the finished file through the link
    await link(at("a"), at(".a.requant-part"));
    const fresh = await stage("a", false, true);
    await fresh.write(new Uint8Array(1000), 0);
    expect(new Uint8Array(await readFile(at("a")))).toEqual(some(1000));
    await fresh.discard();
    expect(new Uint8Array(await readFile(at("a")))).toEqual(some(1000));
  });

  test("replaces a file only if allowed, and loses its name again when kept", async () => {
    const file = await stage("a");
    await writeFile(at("a"), "mine");
    await expect(file.publish()).rejects.toThrow("already exists");
    await file.discard();
    expect(await readFile(at("a"), "utf8")).toBe("mine");
    const replacing = await stage("a", false, true);
    await replacing.publish();
    expect((await stat(at("a"))).size).toBe(1000);
    await replacing.keep();
    expect(await readdir(folder)).toEqual([".a.requant-journal", ".a.requant-part"]);
  });

  test("names of any length have working names of their own", async () => {
    const names = ["x", "y"].map((end) => `${"n".repeat(240)}${end}`);
    const files = await Promise.all(names.map((name) => stage(name)));
    for (const file of files) {
      await file.publish();
      await file.finish();
    }
    expect((await readdir(folder)).sort()).toEqual(names);
  });

  test("a folder that was made for the file is removed with it", async () => {
    const store = directoryStore(at("deep/out"));
    const file = await store.stage?.("sub/a", { byteLength: 1 });
    await file?.discard();
    expect(await readdir(folder)).toEqual([]);
  });
});

describe("locks", () => {
  test("a second run on one file is refused, until the first ends", async () => {
    const first = await stage("a");
    await expect(stage("a")).rejects.toMatchObject({
      code: "IO",
      path: at("a"),
      message: expect.stringContaining(`process ${process.pid}`),
      hint: expect.stringContaining(".a.requant-lock"),
    });
    await first.keep();
    await (await stage("a")).discard();
  });

  /** A process that takes the lock and then waits. */
  async function lockHolder(): Promise<ChildProcess> {
    const script = `
      const { directoryStore } = await import(${JSON.stringify(new URL("../src/io/node/index.ts", import.meta.url).href)});
      await directoryStore(${JSON.stringify(folder)}).stage("a", { byteLength: 1000 });
      console.log("locked");
      setInterval(() => {}, 1000);`;
    const child = spawn(process.execPath, ["--no-warnings", "--input-type=module", "--eval", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    if (child.stdout !== null) await once(child.stdout, "data");
    return child;
  }

  test("the lock of another process is respected while that process runs, and taken over when it was killed", async () => {
    const child = await lockHolder();
    await expect(stage("a", true)).rejects.toThrow(`process ${child.pid}`);
    child.kill("SIGKILL");
    await once(child, "exit");
    const resumed = await stage("a", true);
    expect(await readdir(folder)).toHaveLength(3);
    await resumed.discard();
  });

  test("only one of many processes takes over the lock of an owner that has ended", async () => {
    const dead = { pid: 2 ** 22 + 1, host: (await thisProcess()).host, started: "" };
    for (let round = 0; round < 20; round++) {
      await writeFile(lockOf("a"), JSON.stringify(dead));
      const attempts = await Promise.allSettled(
        Array.from({ length: 5 }, () => acquireLock(lockOf("a"), "a")),
      );
      const held: boolean[] = [];
      for (const attempt of attempts) {
        if (attempt.status === "fulfilled") held.push(await attempt.value.stillHeld());
      }
      expect(held.filter(Boolean)).toHaveLength(1);
      for (const attempt of attempts) if (attempt.status === "fulfilled") await attempt.value.release();
      expect(await readdir(folder)).toEqual([]);
    }
  });

  test("a reused process id does not count as the owner", async () => {
    const me = await thisProcess();
    expect(await hasEnded(me)).toBe(false);
    if (me.started !== "") expect(await hasEnded({ ...me, started: "before" })).toBe(true);
    expect(await hasEnded({ ...me, host: "elsewhere" })).toBeUndefined();
  });

  test("the lock of another machine is respected as long as it is touched", async () => {
    await writeFile(lockOf("a"), JSON.stringify({ pid: 1, host: "elsewhere", started: "" }));
    await expect(stage("a")).rejects.toThrow("on elsewhere");
    const longAgo = Date.now() / 1000 - 600;
    await utimes(lockOf("a"), longAgo, longAgo);
    await (await stage("a")).discard();
  });

  test("an incomplete lock is awaited only while it may still be written", async () => {
    await writeFile(lockOf("a"), "{");
    const longAgo = Date.now() / 1000 - 60;
    await utimes(lockOf("a"), longAgo, longAgo);
    await (await stage("a")).discard();
    expect(await readdir(folder)).toEqual([]);
  });

  test("a process that lost the lock publishes nothing", async () => {
    const file = await stage("a");
    await writeFile(lockOf("a"), JSON.stringify({ pid: 1, host: "elsewhere", started: "" }));
    await expect(file.publish()).rejects.toThrow("taken over");
    await file.discard();
    expect(await readdir(folder)).toEqual([".a.requant-lock"]);
  });
});

describe.skipIf(process.platform === "win32")("links and pipes under the names of working files", () => {
  const suffixes = ["part", "journal", "lock"] as const;

  test.each(suffixes.flatMap((suffix) => [true, false].map((resume) => ({ suffix, resume }))))(
    "a link as .$suffix (resume: $resume) leads nothing out of the folder",
    async ({ suffix, resume }) => {
      await mkdir(at("out"));
      const store = directoryStore(at("out"));
      for (const target of ["victim", "not-there"]) {
        await writeFile(at("victim"), "mine");
        await symlink(`../${target}`, at(`out/.a.requant-${suffix}`));
        const staged = store.stage?.("a", { byteLength: 1000, resume });
        // a run that starts over removes the old file, and a link with it
        if (suffix !== "lock" && !resume) await (await staged)?.discard();
        else
          await expect(staged).rejects.toMatchObject({ code: "IO", message: expect.stringMatching(/link/) });
        expect(await readFile(at("victim"), "utf8")).toBe("mine");
        expect((await readdir(folder)).filter((name) => name !== "out")).toEqual(["victim"]);
        await rm(at("out"), { recursive: true, force: true });
        await mkdir(at("out"));
      }
    },
  );

  test.each(["part", "journal"])(
    "a second name of another file as .%s is not written through",
    async (suffix) => {
      await writeFile(at("victim"), "mine");
      await link(at("victim"), at(`.a.requant-${suffix}`));
      await expect(stage("a", true)).rejects.toMatchObject({
        code: "IO",
        message: expect.stringMatching(/has 2 names/),
        hint: expect.stringContaining("`resume`"),
      });
      expect(await readFile(at("victim"), "utf8")).toBe("mine");
      // a run that starts afresh removes the name, not the file
      await (await stage("a")).discard();
      expect(await readFile(at("victim"), "utf8")).toBe("mine");
    },
  );

  test.each(suffixes)("a pipe as .%s is not waited for", async (suffix) => {
    expect(spawnSync("mkfifo", [at(`.a.requant-${suffix}`)]).status).toBe(0);
    await expect(stage("a", true)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringMatching(/not a regular file/),
    });
  });
});

describe("left-overs", () => {
  test.skipIf(process.platform === "win32")("a size that the system refuses leaves no files", async () => {
    const script = `
      import { directoryStore } from "@requant/core/node";
      const store = directoryStore(process.argv[1]);
      await store.stage("a", { byteLength: 1e6 }).catch((error) => console.log(error.code, error.message));
    `;
    const run = spawnSync(
      "sh",
      ["-c", 'ulimit -f 4 && exec "$0" "$@"', process.execPath, "--input-type=module", "-e", script, folder],
      {
        cwd: join(import.meta.dirname, ".."),
        encoding: "utf8",
      },
    );
    expect(run.stdout, run.stderr).toMatch(/^IO .*does not allow files this large/);
    expect(await readdir(folder)).toEqual([]);
  });

  test("of a killed writer are removed by the next of the same file, those of a living one are not", async () => {
    const mine = await ownerTag();
    const dead = `${(2 ** 22 + 1).toString(16).padStart(8, "0")}${mine.slice(8)}`;
    const foreign = `${dead.slice(0, 8)}00000000${dead.slice(16)}`;
    expect([await tagIsStale(mine), await tagIsStale(dead), await tagIsStale(foreign)]).toEqual([
      false,
      true,
      false,
    ]);
    for (const tag of [mine, dead, foreign]) await writeFile(at(`.a.${tag}.requant-part`), "x");
    const sink = await directoryStore(folder).create("a");
    await sink.close();
    expect((await readdir(folder)).sort()).toEqual(
      [`.a.${mine}.requant-part`, `.a.${foreign}.requant-part`, "a"].sort(),
    );
  });
});

describe("places", () => {
  test.skipIf(process.platform === "win32")(
    "are resolved through links, also for missing files",
    async () => {
      await mkdir(at("real"));
      await symlink("real", at("linked"));
      const store = directoryStore(at("linked"));
      const real = await directoryStore(at("real")).realPath?.();
      expect(await store.realPath?.()).toBe(real);
      expect(await store.realPath?.("no/such/file")).toBe(join(real ?? "", "no/such/file"));
    },
  );

  test("remove deletes a file, and accepts a missing one", async () => {
    await writeFile(at("a"), "x");
    const store = directoryStore(folder);
    await store.remove?.("a");
    await store.remove?.("a");
    expect(await readdir(folder)).toEqual([]);
    await expect(store.remove?.("../a")).rejects.toMatchObject({ code: "FORMAT" });
  });
});
