import { UsageError } from "../errors.ts";
import { checkRange } from "./range.ts";
import type { ByteSource } from "./source.ts";

/** Large enough to be fast on disks and HTTP, small enough to keep several chunks in memory. */
const defaultChunkByteLength = 4 * 1024 * 1024;

/** Bytes in order, however they are made. */
export type Chunks = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/**
 * Bytes `[start, end)` in order, a chunk at a time, each read when the consumer asks: the data of a writer that
 * copies. One buffer serves all chunks, so a chunk is valid until the next one is asked for.
 */
export async function* readChunks(
  source: ByteSource,
  start: number,
  end: number,
  chunkByteLength: number = defaultChunkByteLength,
): AsyncGenerator<Uint8Array, void, undefined> {
  checkRange(source.name, source.byteLength, start, end);
  if (!(Number.isSafeInteger(chunkByteLength) && chunkByteLength > 0)) {
    throw new UsageError(`A chunk of ${chunkByteLength} bytes makes no progress.`);
  }
  const buffer = new Uint8Array(Math.min(chunkByteLength, end - start));
  for (let offset = start; offset < end; offset += buffer.byteLength) {
    const chunk = buffer.subarray(0, Math.min(buffer.byteLength, end - offset));
    await source.readInto(chunk, offset);
    yield chunk;
  }
}
