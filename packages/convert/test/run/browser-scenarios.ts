/** What `browser-files.test.ts` does in a dedicated worker of a page. Results are plain data. */
import { type ByteHash, blobSource, blobStore } from "@requant/core";
import { browserStore } from "@requant/core/web";
import {
  editMetadata,
  hashModel,
  type OutputStore,
  openModel,
  parseTarget,
  planConversion,
  runPlan,
  webWorkers,
} from "../../src/index.ts";

export interface ConvertArgument {
  readonly folder: string;
  readonly jobs: number;
  readonly resume: boolean;
  /**
   * The share of the phase after which the run is aborted: at once, by a message that this thread must receive, or not at
   * all; a note then tells the page.
   */
  readonly stopAt?: {
    readonly phase: "write" | "check";
    readonly share: number;
    readonly how: "abort" | "message" | "note";
  };
}

async function folderNamed(name: string): Promise<FileSystemDirectoryHandle> {
  return (await navigator.storage.getDirectory()).getDirectoryHandle(name, { create: true });
}

async function namesIn(folder: FileSystemDirectoryHandle): Promise<string[]> {
  const names: string[] = [];
  for await (const [name] of folder.entries()) names.push(name);
  return names.sort();
}

async function sha256Of(folder: FileSystemDirectoryHandle, name: string): Promise<string | undefined> {
  const handle = await folder.getFileHandle(name).catch(() => undefined);
  if (handle === undefined) return undefined;
  const bytes = await (await handle.getFile()).arrayBuffer();
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A store whose staged files count the bytes that are written into them. */
async function countingStore(
  folder: FileSystemDirectoryHandle,
): Promise<{ readonly store: OutputStore; readonly count: { written: number } }> {
  const store = await browserStore(folder);
  const { stage } = store;
  if (stage === undefined) throw new Error("a dedicated worker can stage");
  const count = { written: 0 };
  return {
    count,
    store: {
      ...store,
      async stage(path, options) {
        const file = await stage(path, options);
        const { write } = file;
        file.write = (bytes, start) => {
          count.written += bytes.byteLength;
          return write(bytes, start);
        };
        return file;
      },
    },
  };
}

/** Calls `receive` as a message from the page would: only when this thread handles events. */
function sendTo(receive: () => void): void {
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    port1.close();
    receive();
  };
  port2.postMessage(undefined);
}

let chosen: File | undefined;

export const scenarios = {
  async convert({ folder: name, jobs, resume, stopAt }: ConvertArgument) {
    const folder = await folderNamed(name);
    const blob = await (await fetch("/model.gguf")).blob();
    const files = blobStore(new Map([["model.gguf", blob]]));
    const model = await openModel({ store: files, file: "model.gguf" });
    const plan = await planConversion(model, parseTarget("gguf:q4_k_m"), { outputName: "x" });
    const { store, count } = await countingStore(folder);
    const controller = new AbortController();
    const findings: string[] = [];
    let started = 0;
    const start = (): Worker => {
      started += 1;
      return new Worker("/piece-worker.js", { type: "module" });
    };
    let failure: string | undefined;
    try {
      await runPlan(plan, model, store, {
        resume,
        signal: controller.signal,
        bandByteLength: 16384,
        workers: webWorkers(start, { jobs, weightsPerWorker: 1 }),
        onFinding: ({ code }) => findings.push(code),
        onProgress({ phase, done, total }) {
          if (stopAt?.phase !== phase || done < stopAt.share * total) return;
          if (stopAt.how === "abort") controller.abort();
          else if (stopAt.how === "message") sendTo(() => controller.abort());
          else postMessage({ note: "stop here" });
        },
      });
    } catch (error) {
      failure = error instanceof Error ? error.name : String(error);
    }
    return {
      started,
      failure,
      findings,
      written: count.written,
      raw: await namesIn(folder),
      sha256: await sha256Of(folder, "x.gguf"),
    };
  },

  async leftIn(name: string) {
    return namesIn(await folderNamed(name));
  },

  /** In the page: gives the chosen file to the worker. */
  async choose(file: File) {
    chosen = file;
    return file.size;
  },

  async edit(value: string) {
    if (chosen === undefined) throw new Error("no file was chosen");
    const folder = await folderNamed("edited");
    let largest = 0;
    let kept = 0;
    const { slice, arrayBuffer } = Blob.prototype;
    Blob.prototype.slice = function (start, end, type) {
      const part = slice.call(this, start, end, type);
      largest = Math.max(largest, part.size);
      return part;
    };
    Blob.prototype.arrayBuffer = function () {
      if (this === chosen) kept += 1;
      return arrayBuffer.call(this);
    };
    try {
      const store = await browserStore(folder);
      await editMetadata(blobSource(chosen), await store.create("edited.gguf"), {
        set: new Map([["general.name", { type: "string", value }]]),
      });
    } finally {
      Object.assign(Blob.prototype, { slice, arrayBuffer });
    }
    return { largest, kept, raw: await namesIn(folder), sha256: await sha256Of(folder, "edited.gguf") };
  },

  async hash() {
    const folder = await folderNamed("edited");
    const model = await openModel({ store: await browserStore(folder), file: "edited.gguf" });
    const createHash = (): ByteHash => ({ update() {}, hex: () => "given" });
    const [own, given] = [await hashModel(model), await hashModel(model, { createHash })];
    return { own: own.files[0]?.sha256, given: given.files[0]?.sha256 };
  },
};
