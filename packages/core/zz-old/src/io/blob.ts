import { IoError } from "../errors.ts";
import { checkRange } from "./range.ts";
import type { ByteSource } from "./source.ts";
import type { ReadStore } from "./store.ts";
import { filesIn } from "./store-path.ts";

/** A Blob or a File that a person chose in a browser: read by slices, never whole. */
export function blobSource(blob: Blob, name?: string): ByteSource {
  const path = name ?? ("name" in blob && typeof blob.name === "string" ? blob.name : "blob");
  const byteLength = blob.size;
  const spare: ArrayBuffer[] = [];

  /** What `work` does with the bytes `[start, end)`. It returns how many it got. */
  async function reading(start: number, end: number, work: (slice: Blob) => Promise<number>): Promise<void> {
    checkRange(path, byteLength, start, end);
    let got: number;
    try {
      got = await work(blob.slice(start, end));
    } catch (cause) {
      // browsers tell that a chosen file changed or vanished by NotReadableError or NotFoundError
      throw new IoError("The file cannot be read any more: it was changed, moved or removed.", {
        path,
        offset: start,
        cause,
        hint: "Choose the file again.",
      });
    }
    if (got !== end - start) {
      throw new IoError(`${end - start} bytes were requested, but ${got} were received.`, {
        path,
        offset: start,
        hint: "Choose the file again.",
      });
    }
  }
  return {
    name: path,
    byteLength,
    version: versionOf(blob),
    async read(start, end) {
      let bytes = new Uint8Array(0);
      await reading(start, end, async (slice) => {
        bytes = new Uint8Array(await slice.arrayBuffer());
        return bytes.byteLength;
      });
      return bytes;
    },
    readInto: (target, start) =>
      reading(start, start + target.byteLength, (slice) => fill(target, slice, spare)),
    async close() {},
  };
}

/** Readers that wait for bytes. Chromium collects a waiting reader that nothing else holds, and its read never ends. */
const readers = new Set<ReadableStreamBYOBReader>();

/** Bytes that one step of a read brings. */
const STEP_BYTE_LENGTH = 256 * 1024;

/**
 * Reads through memory that is used again and again: that of whole reads is freed long after it was needed, and a browser
 * gives a tab little. Returns the number of bytes, which may be less than the target takes, and is not more.
 */
async function fill(target: Uint8Array, blob: Blob, spare: ArrayBuffer[]): Promise<number> {
  const reader = byteReader(blob);
  if (reader === undefined) {
    const bytes = new Uint8Array(await blob.arrayBuffer());
    target.set(bytes.subarray(0, target.byteLength));
    return bytes.byteLength;
  }
  let memory = spare.pop() ?? new ArrayBuffer(STEP_BYTE_LENGTH);
  let got = 0;
  readers.add(reader);
  try {
    for (;;) {
      const { value, done } = await reader.read(new Uint8Array(memory));
      if (value !== undefined) memory = value.buffer;
      if (done || value === undefined) break;
      target.set(value, got);
      got += value.byteLength;
    }
  } finally {
    readers.delete(reader);
  }
  spare.push(memory);
  return got;
}

/** Undefined where a browser has no such reader. */
function byteReader(blob: Blob): ReadableStreamBYOBReader | undefined {
  try {
    return blob.stream().getReader({ mode: "byob" });
  } catch {
    return undefined;
  }
}

/** A file of the disk tells when it was changed. */
function versionOf(blob: Blob): string | undefined {
  if (!("lastModified" in blob && typeof blob.lastModified === "number")) return undefined;
  return `${blob.size}-${blob.lastModified}`;
}

/** Files that a person chose in a browser, by name. */
export function blobStore(files: ReadonlyMap<string, Blob>, name: string = "files"): ReadStore {
  return {
    name,
    address: { kind: "blobs", name, files },
    async open(path) {
      const blob = files.get(path);
      return blob === undefined ? undefined : blobSource(blob, `${name}/${path}`);
    },
    async list(folder) {
      return filesIn(files.keys(), folder);
    },
  };
}
