/** What `browser-store.test.ts` does in a page and in a dedicated worker of it. Results are plain data. */
import { largest } from "../src/extremes.ts";
import type { ReadStore, StagedFile, WriteStore } from "../src/index.ts";
import { browserStore } from "../src/io/web/index.ts";

const some = (length: number): Uint8Array<ArrayBuffer> => Uint8Array.from({ length }, (_, i) => i % 251);
const text = (value: string): Uint8Array => new TextEncoder().encode(value);

async function freshFolder(name: string): Promise<FileSystemDirectoryHandle> {
  const root = await navigator.storage.getDirectory();
  await root.removeEntry(name, { recursive: true }).catch(() => {});
  return root.getDirectoryHandle(name, { create: true });
}

async function sameFolder(name: string): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(name);
}

/** Without those in which Chromium keeps what is not written to the end. */
async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const [name] of folder.entries()) if (!name.endsWith(".crswap")) names.push(name);
  return names.sort();
}

async function bytesOf(folder: FileSystemDirectoryHandle, name: string): Promise<number[]> {
  const file = await (await folder.getFileHandle(name)).getFile();
  return [...new Uint8Array(await file.arrayBuffer())];
}

async function putFile(folder: FileSystemDirectoryHandle, name: string, bytes: string): Promise<void> {
  const writable = await (await folder.getFileHandle(name, { create: true })).createWritable();
  await writable.write(bytes);
  await writable.close();
}

/** The fields of the error that a promise is rejected with. */
async function failureOf(work: Promise<unknown> | undefined): Promise<object> {
  try {
    await work;
    return { none: true };
  } catch (error) {
    if (!(error instanceof Error)) return { thrown: String(error) };
    const { message } = error;
    const { code, hint, path } = error as { code?: string; hint?: string; path?: string };
    return { code, message, hint, path };
  }
}

async function stage(
  folder: FileSystemDirectoryHandle,
  name: string,
  options: { resume?: boolean; overwrite?: boolean; byteLength?: number } = {},
): Promise<StagedFile> {
  const { resume = false, overwrite = false, byteLength = 1000 } = options;
  const store = await browserStore(folder, { overwrite });
  if (store.stage === undefined) throw new Error("a dedicated worker can stage");
  return store.stage(name, { byteLength, resume });
}

/** As a folder of the disk: not in the origin-private file system. Methods in `refused` fail with this error. */
function foreign(
  folder: FileSystemDirectoryHandle,
  refused: readonly string[] = [],
  error = "",
): FileSystemDirectoryHandle {
  return new Proxy(folder, {
    get(target, key) {
      if (refused.includes(String(key))) return () => Promise.reject(new DOMException("refused", error));
      const value: unknown = Reflect.get(target, key);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}

async function sinkScenario(
  store: ReadStore & WriteStore,
  folder: FileSystemDirectoryHandle,
): Promise<object> {
  const sink = await store.create("a");
  await sink.write(some(3));
  await sink.write(some(2));
  const unfinished = {
    open: (await store.open("a"))?.byteLength,
    list: await store.list(),
    raw: await namesIn(folder),
  };
  await sink.close();
  const source = await store.open("a");
  return {
    unfinished,
    byteLength: sink.byteLength,
    raw: await namesIn(folder),
    bytes: await bytesOf(folder, "a"),
    read: [...((await source?.read(2, 5)) ?? [])],
    again: await failureOf(store.create("a")),
    closedTwice: await failureOf(sink.close()),
  };
}

/** Held between calls, as a run does that is not done. */
let held: StagedFile | undefined;

export const scenarios = {
  async sink() {
    const folder = await freshFolder("sink");
    return sinkScenario(await browserStore(folder), folder);
  },

  async foreignSink() {
    const folder = await freshFolder("foreign-sink");
    const store = await browserStore(foreign(folder), { name: "disk" });
    return { ...(await sinkScenario(store, folder)), stage: store.stage === undefined };
  },

  async aborted() {
    const folder = await freshFolder("aborted");
    const results: object[] = [];
    for (const directory of [folder, foreign(folder)]) {
      await putFile(folder, "old", "mine");
      const store = await browserStore(directory, { overwrite: true });
      for (const name of ["old", "new", "deep/er/new"]) {
        const sink = await store.create(name);
        await sink.write(some(100));
        await sink.abort();
        await sink.abort();
      }
      const replacing = await store.create("old");
      await replacing.write(some(2));
      const before = await bytesOf(folder, "old");
      await replacing.close();
      results.push({ raw: await namesIn(folder), before, after: await bytesOf(folder, "old") });
    }
    return results;
  },

  async folders() {
    const folder = await freshFolder("folders");
    const store = await browserStore(folder);
    const sink = await store.create("deep/er/a");
    await sink.close();
    const found = {
      deep: await store.list("deep"),
      deeper: await store.list("deep/er"),
      not: await store.list("not"),
    };
    const missing = [await store.open("not/there"), await store.open("b")].map(
      (source) => source === undefined,
    );
    await store.remove?.("deep/er/a");
    await store.remove?.("deep/er/a");
    return {
      found,
      missing,
      raw: await namesIn(folder),
      outside: await failureOf(store.create("../a")),
      inTheWay: await (async () => {
        await folder.getDirectoryHandle("b", { create: true });
        return failureOf(store.create("b"));
      })(),
    };
  },

  async stagedAnyOrder() {
    const folder = await freshFolder("staged");
    const file = await stage(folder, "a");
    await Promise.all([file.write(some(100), 900), file.write(some(300), 100)]);
    const during = { raw: await namesIn(folder), list: await (await browserStore(folder)).list() };
    const back = new Uint8Array(300);
    await file.readInto(back, 100);
    const tooFar = await failureOf(file.readInto(new Uint8Array(2), 999));
    await file.publish();
    await file.finish();
    await file.discard();
    const closed = await failureOf(file.write(some(1), 0));
    return {
      during,
      back: [...back],
      tooFar,
      closed,
      raw: await namesIn(folder),
      bytes: await bytesOf(folder, "a"),
    };
  },

  async stagedKept() {
    const folder = await freshFolder("kept");
    const first = await stage(folder, "a");
    await first.write(some(400), 0);
    await first.log(text("one\n"));
    await first.keep();
    const resumed = await stage(folder, "a", { resume: true });
    const back = new Uint8Array(400);
    await resumed.readInto(back, 0);
    const found = {
      journal: new TextDecoder().decode(resumed.journal),
      published: resumed.published,
      back: [...back],
    };
    await resumed.cutJournal(2);
    await resumed.log(text("x"));
    await resumed.sync();
    await resumed.keep();
    const journal = new TextDecoder().decode(Uint8Array.from(await bytesOf(folder, ".a.requant-journal")));
    const fresh = await stage(folder, "a");
    await fresh.readInto(back, 0);
    const afresh = { journal: fresh.journal.byteLength, back: [...back] };
    await fresh.discard();
    return { found, journal, afresh, raw: await namesIn(folder) };
  },

  /** As a tab leaves it that is closed between the final name and the end of the journal. */
  async stagedPublished() {
    const folder = await freshFolder("published");
    await putFile(folder, "a", "whole");
    await putFile(folder, ".a.requant-journal", "all\n");
    const resumed = await stage(folder, "a", { resume: true, byteLength: 5 });
    const back = new Uint8Array(5);
    await resumed.readInto(back, 0);
    const { published } = resumed;
    await resumed.publish();
    await resumed.finish();
    return { published, back: new TextDecoder().decode(back), raw: await namesIn(folder) };
  },

  async stagedOverwrite() {
    const folder = await freshFolder("overwrite");
    await putFile(folder, "a", "mine");
    const refused = await stage(folder, "a");
    const failure = await failureOf(refused.publish());
    await refused.discard();
    const before = await bytesOf(folder, "a");
    const replacing = await stage(folder, "a", { overwrite: true });
    await replacing.publish();
    const byteLength = (await bytesOf(folder, "a")).length;
    await replacing.keep();
    return { failure, before, byteLength, raw: await namesIn(folder) };
  },

  async longNames() {
    const folder = await freshFolder("long");
    const names = ["x", "y"].map((end) => `${"n".repeat(240)}${end}`);
    const files = await Promise.all(names.map((name) => stage(folder, name)));
    const during = await namesIn(folder);
    for (const file of files) {
      await file.publish();
      await file.finish();
    }
    return {
      names,
      longest: largest(during.map((name) => name.length)),
      count: during.length,
      raw: await namesIn(folder),
    };
  },

  async hold() {
    held = await stage(await freshFolder("held"), "a");
    await held.write(some(400), 0);
    await held.log(text("one\n"));
    return failureOf(stage(await sameFolder("held"), "a"));
  },

  async tryHeld() {
    const folder = await sameFolder("held");
    const store = await browserStore(folder);
    const failures = [
      await failureOf(stage(folder, "a", { resume: true })),
      await failureOf(store.create("a")),
    ];
    return failures;
  },

  async takeOver() {
    const folder = await sameFolder("held");
    const file = await stage(folder, "a", { resume: true });
    const back = new Uint8Array(400);
    await file.readInto(back, 0);
    const journal = new TextDecoder().decode(file.journal);
    await file.discard();
    return { journal, back: [...back], raw: await namesIn(folder) };
  },

  async noRoom(byteLength: number) {
    const folder = await freshFolder("no-room");
    const staged = await failureOf(stage(folder, "a", { byteLength }));
    const store = await browserStore(folder);
    const sink = await store.create("deep/a");
    const written = await failureOf(sink.write(new Uint8Array(byteLength)));
    await sink.abort();
    const small = await stage(folder, "b", { byteLength: 1000 });
    const grown = await failureOf(small.write(new Uint8Array(byteLength), 0));
    await small.discard();
    return { staged, written, grown, raw: await namesIn(folder) };
  },

  async vanished() {
    const folder = await freshFolder("vanished");
    await putFile(folder, "a", "some bytes");
    const store = await browserStore(folder, { name: "storage" });
    const source = await store.open("a");
    await store.remove?.("a");
    const read = await failureOf(source?.read(0, 4));
    const root = await navigator.storage.getDirectory();
    await root.removeEntry("vanished", { recursive: true });
    return { read, create: await failureOf(store.create("b")), list: await failureOf(store.list()) };
  },

  async refused() {
    const folder = await freshFolder("refused");
    const methods = ["getFileHandle", "getDirectoryHandle", "removeEntry"];
    const store = await browserStore(foreign(folder, methods, "NotAllowedError"), { name: "disk" });
    return {
      create: await failureOf(store.create("a")),
      deep: await failureOf(store.create("b/a")),
      open: await failureOf(store.open("a")),
      list: await failureOf(store.list("b")),
      remove: await failureOf(store.remove?.("a")),
    };
  },
};
