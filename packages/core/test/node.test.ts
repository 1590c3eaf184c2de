import { spawnSync } from "node:child_process";
import {
  appendFile,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { IoError, readChunks, UsageError } from "@requant/core";
import { directoryStore, fileSink, fileSource } from "@requant/core/node";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asIoError } from "../src/io/system-error.ts";

let folder = "";
const at = (name: string): string => join(folder, name);
const some = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => i % 256);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "requant-core-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("fileSource", () => {
  test("reads any range, many at a time", async () => {
    await writeFile(at("a"), some(1000));
    const source = await fileSource(at("a"));
    expect(source).toMatchObject({ name: at("a"), byteLength: 1000 });
    const parts = await Promise.all([
      source.read(0, 10),
      source.read(990, 1000),
      source.read(5, 5),
      source.read(0, 1000),
    ]);
    expect(parts.map((part) => part.byteLength)).toEqual([10, 10, 0, 1000]);
    expect(parts[1]).toEqual(some(1000).subarray(990));
    const target = new Uint8Array(4);
    await source.readInto(target, 500);
    expect(target).toEqual(some(1000).subarray(500, 504));
    await expect(source.read(0, 1001)).rejects.toMatchObject({ code: "IO", path: at("a") });
    await expect(source.readInto(new Uint8Array(2), 999)).rejects.toThrow(IoError);
    await source.close();
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow(IoError);
  });

  test.each<[string, () => Promise<void>, RegExp]>([
    ["grows", () => appendFile(at("a"), "more"), /went from 1000 to 1004 bytes/],
    ["shrinks", () => truncate(at("a"), 10), /went from 1000 to 10 bytes/],
    ["is written to", () => utimes(at("a"), 1, 1), /was written to/],
  ])("a file that %s while it is being read", async (_, change, message) => {
    await writeFile(at("a"), some(1000));
    const source = await fileSource(at("a"));
    await source.read(0, 10);
    await change();
    await expect(source.read(500, 600)).rejects.toMatchObject({
      code: "IO",
      message: expect.stringMatching(message),
    });
    await source.close();
  });

  test("paths that are not files", async () => {
    await expect(fileSource(at("missing"))).rejects.toMatchObject({
      code: "IO",
      message: "Cannot open the file: no such file or directory.",
    });
    await expect(fileSource(folder)).rejects.toThrow("This is a directory, not a file.");
    await writeFile(at("a"), "x");
    await expect(fileSource(join(at("a"), "b"))).rejects.toMatchObject({ code: "IO" });
    await expect(fileSource("/dev/null")).rejects.toThrow("not a regular file");
  });

  test.skipIf(process.platform === "win32")("a socket (or pipe) is refused at once", async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(at("socket"), resolve));
    await expect(fileSource(at("socket"))).rejects.toThrow("not a regular file");
    await new Promise((resolve) => server.close(resolve));
  });
});

describe("fileSink", () => {
  test("no file under the final name before close, no left-over after", async () => {
    const sink = await fileSink(at("model.gguf"));
    await sink.write(some(700));
    await sink.write(some(300));
    expect(sink.byteLength).toBe(1000);
    expect(await stat(at("model.gguf")).catch(() => "missing")).toBe("missing");
    const [temporary] = await readdir(folder);
    expect(temporary).toMatch(/^\.model\.gguf\.[0-9a-f]{32}\.requant-part$/);
    await sink.close();
    expect(await readdir(folder)).toEqual(["model.gguf"]);
    expect(new Uint8Array(await readFile(at("model.gguf")))).toEqual(
      Uint8Array.of(...some(700), ...some(300)),
    );
    await expect(sink.write(some(1))).rejects.toThrow(UsageError);
    await sink.abort();
    expect(await readdir(folder)).toEqual(["model.gguf"]);
  });

  test("abort removes everything, also twice and after a failed write", async () => {
    const sink = await fileSink(at("a"));
    await sink.write(some(10));
    await sink.abort();
    await sink.abort();
    expect(await readdir(folder)).toEqual([]);
    await expect(sink.close()).rejects.toThrow(UsageError);
  });

  test("an existing file is refused, before and at the end", async () => {
    await writeFile(at("a"), "old");
    await expect(fileSink(at("a"))).rejects.toMatchObject({
      code: "IO",
      message: "The file already exists.",
    });
    const sink = await fileSink(at("b"));
    await sink.write(some(3));
    await writeFile(at("b"), "meanwhile");
    await expect(sink.close()).rejects.toThrow("The file already exists.");
    await sink.abort();
    expect(await readFile(at("b"), "utf8")).toBe("meanwhile");
    expect((await readdir(folder)).sort()).toEqual(["a", "b"]);
  });

  test("overwrite keeps the old file until the new one is complete", async () => {
    await writeFile(at("a"), "old");
    const dropped = await fileSink(at("a"), { overwrite: true });
    await dropped.write(some(3));
    await dropped.abort();
    expect(await readFile(at("a"), "utf8")).toBe("old");
    const sink = await fileSink(at("a"), { overwrite: true });
    await sink.write(new TextEncoder().encode("new"));
    expect(await readFile(at("a"), "utf8")).toBe("old");
    await sink.close();
    expect(await readFile(at("a"), "utf8")).toBe("new");
  });

  test.skipIf(process.platform === "win32")("overwrite does not replace a pipe", async () => {
    expect(spawnSync("mkfifo", [at("pipe")]).status).toBe(0);
    const refused = { code: "IO", message: expect.stringMatching(/a device, a pipe or a socket/) };
    await expect(fileSink(at("pipe"), { overwrite: true })).rejects.toMatchObject(refused);
    const store = directoryStore(folder, { overwrite: true });
    await expect(store.stage?.("pipe", { byteLength: 3 })).rejects.toMatchObject(refused);
    expect((await stat(at("pipe"))).isFIFO()).toBe(true);
    expect(await readdir(folder)).toEqual(["pipe"]);
  });

  test.skipIf(process.platform === "win32")("shared work that was removed takes nothing more", async () => {
    const work = await directoryStore(folder).share?.("w");
    const file = await work?.open({ name: "a", byteLength: 3 });
    await file?.write(some(3), 0);
    await file?.sync();
    await (await directoryStore(folder).share?.("w", { make: false }))?.remove();
    const refused = { code: "IO", reason: "plan-removed" };
    await expect(file?.sync()).rejects.toMatchObject(refused);
    await expect(work?.startLog("2/1")).rejects.toMatchObject(refused);
    await file?.close();
    expect(await readdir(folder)).toEqual([]);
  });

  test("shared work does not replace another file, and names the ways out", async () => {
    const work = await directoryStore(folder).share?.("w");
    const files = [{ name: "a", byteLength: 3 }];
    const file = await work?.open({ name: "a", byteLength: 3 });
    await file?.write(some(3), 0);
    await file?.close();
    await writeFile(at("a"), "another");
    await expect(work?.publish(files)).rejects.toMatchObject({
      hint: "Move that file away, or save the plan again with `overwrite`.",
    });
    expect(await readFile(at("a"), "utf8")).toBe("another");
  });

  test.skipIf(process.platform === "win32")(
    "a file that replaces another one gets its permissions",
    async () => {
      await writeFile(at("a"), "old", { mode: 0o600 });
      const sink = await fileSink(at("a"), { overwrite: true });
      const [temporary] = (await readdir(folder)).filter((name) => name !== "a");
      expect((await stat(at(temporary ?? ""))).mode & 0o777).toBe(0o600);
      await sink.close();
      expect((await stat(at("a"))).mode & 0o777).toBe(0o600);
    },
  );

  test.skipIf(process.platform !== "linux")("long zeros become holes, at the end too", async () => {
    const sink = await fileSink(at("a"));
    const pieces = [some(100_000), new Uint8Array(8_000_000), some(3), new Uint8Array(4_000_001)];
    for (const piece of pieces) await sink.write(piece);
    await sink.close();
    expect(Buffer.compare(await readFile(at("a")), Buffer.concat(pieces))).toBe(0);
    expect((await stat(at("a"))).blocks * 512).toBeLessThan(1_000_000);
  });

  test("what cannot be brought to the disk early is told, though the system tells it once only", async () => {
    const probe = await open(at("probe"), "w");
    const handles = Object.getPrototypeOf(probe) as typeof probe;
    await probe.close();
    const broken = Object.assign(new Error("broken disk"), { code: "EIO" });
    const early = vi.spyOn(handles, "datasync").mockRejectedValueOnce(broken);
    try {
      const sink = await fileSink(at("a"));
      // a hole takes no time
      await sink.write(new Uint8Array(128 * 1024 * 1024));
      expect(early).toHaveBeenCalledTimes(1);
      await expect(sink.close()).rejects.toMatchObject({ code: "IO", cause: broken });
      await sink.abort();
      expect(await readdir(folder)).toEqual(["probe"]);
    } finally {
      early.mockRestore();
    }
  });

  test("a write that was not awaited is refused instead of mixed in", async () => {
    const sink = await fileSink(at("a"));
    const results = await Promise.allSettled([sink.write(some(100)), sink.write(some(100))]);
    expect(results.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
    await sink.abort();
  });

  test("two writers of one name do not affect each other", async () => {
    const [one, two] = await Promise.all([fileSink(at("a")), fileSink(at("a"))]);
    await one.write(some(1));
    await two.write(some(2));
    await two.close();
    await expect(one.close()).rejects.toThrow("already exists");
    await one.abort();
    expect((await stat(at("a"))).size).toBe(2);
  });

  test("a long name, and a missing folder", async () => {
    const long = at(`${"n".repeat(240)}.gguf`);
    const sink = await fileSink(long);
    await sink.close();
    expect((await stat(long)).size).toBe(0);
    await expect(fileSink(at("no/such/a"))).rejects.toMatchObject({
      code: "IO",
      message: expect.stringContaining("no such file or directory"),
    });
  });

  test.skipIf(process.platform !== "linux")("a full disk", async () => {
    // writing to /dev/full gives the real error of a full disk
    const full = await open("/dev/full", "w");
    const cause: unknown = await full.write("x").catch((error: unknown) => error);
    await full.close();
    expect(asIoError(cause, "out.gguf", "write")).toMatchObject({
      code: "IO",
      path: "out.gguf",
      message: "Cannot write the file: no space left on the disk.",
      hint: "Free some space, or write to another disk.",
    });
  });

  test("an unknown system error keeps its own message", () => {
    expect(asIoError(new Error("EWEIRD: odd"), "x", "read").message).toBe(
      "Cannot read the file: EWEIRD: odd.",
    );
    const usage = new UsageError("mine");
    expect(asIoError(usage, "x", "read")).toBe(usage);
  });
});

describe("directoryStore", () => {
  test("writes, lists and opens; folders are made when needed", async () => {
    const store = directoryStore(at("out"));
    for (const name of ["config.json", "sub/model.safetensors"]) {
      const sink = await store.create(name);
      await sink.write(some(10));
      await sink.close();
    }
    const unfinished = await store.create("later");
    expect(await store.list()).toEqual(["config.json"]);
    await unfinished.abort();
    const source = await store.open("sub/model.safetensors");
    expect(source?.byteLength).toBe(10);
    await source?.close();
    expect(await store.open("none")).toBeUndefined();
    expect(await store.open("none/none")).toBeUndefined();
    expect(await store.open("config.json/x")).toBeUndefined();
    await expect(store.open("sub")).rejects.toThrow("directory");
    await expect(store.create("config.json")).rejects.toThrow("already exists");
    await expect(directoryStore(at("nowhere")).list()).rejects.toMatchObject({ code: "IO" });
  });

  test("an aborted run leaves no folder behind, a finished one keeps its own", async () => {
    const store = directoryStore(at("deep/out"));
    const [one, two] = [await store.create("sub/a"), await store.create("b")];
    await one.abort();
    expect(await readdir(at("deep/out"))).toHaveLength(1);
    await two.abort();
    expect(await readdir(folder)).toEqual([]);
    const kept = await store.create("sub/a");
    await kept.close();
    const dropped = await store.create("other/c");
    await dropped.abort();
    expect(await readdir(at("deep/out"))).toEqual(["sub"]);
    // a folder that was there before stays, though empty
    await mkdir(at("mine"));
    await (await directoryStore(at("mine")).create("a")).abort();
    expect(await readdir(at("mine"))).toEqual([]);
  });

  test("overwrite is the caller's decision", async () => {
    const store = directoryStore(folder, { overwrite: true });
    for (const length of [1, 2]) {
      const sink = await store.create("a");
      await sink.write(some(length));
      await sink.close();
    }
    expect((await stat(at("a"))).size).toBe(2);
  });

  test.each(["../x", "/tmp/x", "a/../../x", "", "a\0b", "..", "c:\\x"])(
    "refuses the name %j and makes nothing",
    async (name) => {
      const store = directoryStore(at("out"));
      await expect(store.create(name)).rejects.toMatchObject({ code: "FORMAT" });
      await expect(store.open(name)).rejects.toMatchObject({ code: "FORMAT" });
      expect(await readdir(folder)).toEqual([]);
    },
  );

  test.skipIf(process.platform === "win32")(
    "reads through links, as in the Hugging Face cache, but does not write through them",
    async () => {
      const snapshot = "models--org--name/snapshots/main";
      await mkdir(at("models--org--name/blobs"), { recursive: true });
      await mkdir(at(snapshot), { recursive: true });
      await writeFile(at("models--org--name/blobs/abc"), "weights");
      await symlink("../../blobs/abc", at(`${snapshot}/model.safetensors`));
      await symlink("../../blobs", at(`${snapshot}/linked`));
      const store = directoryStore(at(snapshot));
      expect(await store.list()).toContain("model.safetensors");
      const source = await store.open("model.safetensors");
      expect(source?.byteLength).toBe(7);
      await source?.close();
      await expect(store.create("linked/new")).rejects.toMatchObject({ code: "FORMAT" });
      expect(await readdir(at("models--org--name/blobs"))).toEqual(["abc"]);
    },
  );

  test("offsets beyond 32 bits: the end of a sparse file of 10 GB", async () => {
    await writeFile(at("large"), "");
    await truncate(at("large"), 10_000_000_000);
    const source = await fileSource(at("large"));
    expect(source.byteLength).toBe(10_000_000_000);
    let length = 0;
    for await (const chunk of readChunks(source, 9_999_000_000, 10_000_000_000, 300_000))
      length += chunk.byteLength;
    expect(length).toBe(1_000_000);
    await source.close();
  });
});
