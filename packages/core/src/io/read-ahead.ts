import { UsageError } from "../errors.ts";
import { checkRange, copyPages } from "./range.ts";
import type { ByteSource } from "./source.ts";

/** Sizes of `readAheadSource`. */
export interface ReadAheadOptions {
  /** Bytes of one piece that is fetched ahead. Default 1 MiB: a request over a network takes about as long to start. */
  readonly pieceByteLength?: number;
  /** Pieces under way or waiting to be used. Default 4. */
  readonly pieceCount?: number;
}

/** Reads that alternate between a few places of a tensor also count as sequential. */
const STREAMS = 4;

/**
 * Fetches the next pieces while the caller works, where reads go forward. For slow sources: the network and the caller
 * then work at the same time. Holds at most `pieceCount` pieces, whatever the source's length. Reads in no order are
 * passed on unchanged.
 */
export function readAheadSource(source: ByteSource, options: ReadAheadOptions = {}): ByteSource {
  const { pieceByteLength = 1024 * 1024, pieceCount = 4 } = options;
  if (!(Number.isSafeInteger(pieceByteLength) && pieceByteLength > 0 && pieceCount >= 1)) {
    throw new UsageError(`${pieceCount} pieces of ${pieceByteLength} bytes cannot be read ahead.`);
  }
  const { name, byteLength } = source;
  // a Map keeps insertion order: the first is the oldest
  const pieces = new Map<number, Promise<Uint8Array>>();
  /** Where runs of reads ended, and how long they are; the newest first. */
  let runs: { end: number; length: number }[] = [];

  function piece(index: number): Promise<Uint8Array> {
    const known = pieces.get(index);
    if (known !== undefined) return known;
    const start = index * pieceByteLength;
    const bytes = source.read(start, Math.min(start + pieceByteLength, byteLength));
    for (const oldest of pieces.keys()) {
      if (pieces.size < pieceCount) break;
      pieces.delete(oldest);
    }
    pieces.set(index, bytes);
    // the caller that needs the piece gets the error, and the next call tries again
    bytes.catch(() => {
      if (pieces.get(index) === bytes) pieces.delete(index);
    });
    return bytes;
  }

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    const end = start + target.byteLength;
    checkRange(name, byteLength, start, end);
    const before = runs.find((run) => run.end === start);
    const length = (before?.length ?? 0) + end - start;
    runs = [{ end, length }, ...runs.filter((run) => run !== before)].slice(0, STREAMS);
    const first = Math.floor(start / pieceByteLength);
    const last = Math.floor(Math.max(end - 1, start) / pieceByteLength);
    // a header is not a run yet; a read longer than all pieces together would only evict them
    if (length < pieceByteLength || last - first + 1 >= pieceCount) return source.readInto(target, start);
    const needed: Promise<Uint8Array>[] = [];
    for (let index = first; index <= last; index++) needed.push(piece(index));
    // never fetch more ahead than was read in order before: a run that ends here has at most doubled its cost
    const room = Math.min(pieceCount - needed.length, Math.floor(length / pieceByteLength));
    for (let index = last + 1; index <= last + room && index * pieceByteLength < byteLength; index++)
      void piece(index);
    copyPages(target, start, await Promise.all(needed), first * pieceByteLength);
  }

  return {
    name,
    byteLength,
    version: source.version,
    async read(start, end) {
      checkRange(name, byteLength, start, end);
      const target = new Uint8Array(end - start);
      await readInto(target, start);
      return target;
    },
    readInto,
    async close() {
      pieces.clear();
      await source.close();
    },
  };
}
