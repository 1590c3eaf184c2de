import { IoError, UsageError } from "../errors.ts";
import { checkRange } from "./range.ts";
import type { ByteSink } from "./sink.ts";
import type { ByteSource } from "./source.ts";

/** Bytes that are already in memory. Reads are views of `bytes`: nothing is copied. */
export function memorySource(bytes: Uint8Array, name: string = "memory"): ByteSource {
  const byteLength = bytes.byteLength;
  return {
    name,
    byteLength,
    async read(start, end) {
      checkRange(name, byteLength, start, end);
      return bytes.subarray(start, end);
    },
    async readInto(target, start) {
      checkRange(name, byteLength, start, start + target.byteLength);
      target.set(bytes.subarray(start, start + target.byteLength));
    },
    async close() {},
  };
}

/**
 * Collects everything in one array, given to `onClose` when the sink closes; a missing call means that it was
 * aborted or never closed. For files that fit in memory: headers, tests, browsers.
 */
export function memorySink(
  onClose: (bytes: Uint8Array<ArrayBuffer>) => void,
  name: string = "memory",
): ByteSink {
  let buffer: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  let byteLength = 0;
  let state: "open" | "closed" | "aborted" = "open";
  const needOpen = (): void => {
    if (state !== "open") throw new UsageError(`The sink is already ${state}.`, { path: name });
  };
  return {
    name,
    get byteLength() {
      return byteLength;
    },
    async write(bytes) {
      needOpen();
      const needed = byteLength + bytes.byteLength;
      if (needed > buffer.byteLength) buffer = grown(buffer, byteLength, needed, name);
      buffer.set(bytes, byteLength);
      byteLength = needed;
    },
    async close() {
      needOpen();
      state = "closed";
      // the buffer may have spare room: pass on exactly the bytes written
      onClose(buffer.byteLength === byteLength ? buffer : buffer.slice(0, byteLength));
      buffer = new Uint8Array(0);
    },
    async abort() {
      if (state === "open") state = "aborted";
      buffer = new Uint8Array(0);
    },
  };
}

function grown(
  buffer: Uint8Array<ArrayBuffer>,
  used: number,
  needed: number,
  path: string,
): Uint8Array<ArrayBuffer> {
  try {
    const larger = new Uint8Array(Math.max(needed, 2 * buffer.byteLength));
    larger.set(buffer.subarray(0, used));
    return larger;
  } catch (cause) {
    throw new IoError(`No memory for ${needed} bytes.`, { path, cause, hint: "Write to a file instead." });
  }
}
