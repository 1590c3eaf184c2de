import { IoError } from "../errors.ts";
import { checkRange } from "./range.ts";
import type { ByteSource } from "./source.ts";
import type { ReadStore } from "./store.ts";
import { filesIn } from "./store-path.ts";

/** A Blob or a File that a person chose in a browser: read by slices, never whole. */
export function blobSource(blob: Blob, name?: string): ByteSource {
  const path = name ?? ("name" in blob && typeof blob.name === "string" ? blob.name : "blob");
  const byteLength = blob.size;
  async function read(start: number, end: number): Promise<Uint8Array> {
    checkRange(path, byteLength, start, end);
    let buffer: ArrayBuffer;
    try {
      buffer = await blob.slice(start, end).arrayBuffer();
    } catch (cause) {
      // browsers tell that a chosen file changed or vanished by NotReadableError or NotFoundError
      throw new IoError("The file cannot be read any more: it was changed, moved or removed.", {
        path,
        offset: start,
        cause,
        hint: "Choose the file again.",
      });
    }
    if (buffer.byteLength !== end - start) {
      throw new IoError(`${end - start} bytes were requested, but ${buffer.byteLength} were received.`, {
        path,
        offset: start,
        hint: "Choose the file again.",
      });
    }
    return new Uint8Array(buffer);
  }
  return {
    name: path,
    byteLength,
    version: versionOf(blob),
    read,
    async readInto(target, start) {
      target.set(await read(start, start + target.byteLength));
    },
    async close() {},
  };
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
