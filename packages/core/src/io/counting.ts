import type { ByteSource } from "./source.ts";

/** A source that counts its reads. */
export interface CountingSource extends ByteSource {
  /** Calls of `read` and `readInto` so far, failed ones included. */
  readonly reads: number;
  /** Bytes asked for so far. */
  readonly bytes: number;
  /** The longest single read. */
  readonly longestRead: number;
}

/** Counts what is read through it: for tests of "a fixed few reads", and for reports. */
export function countingSource(source: ByteSource): CountingSource {
  let reads = 0;
  let bytes = 0;
  let longestRead = 0;
  const count = (byteLength: number): void => {
    reads += 1;
    bytes += byteLength;
    longestRead = Math.max(longestRead, byteLength);
  };
  return {
    name: source.name,
    byteLength: source.byteLength,
    version: source.version,
    get reads() {
      return reads;
    },
    get bytes() {
      return bytes;
    },
    get longestRead() {
      return longestRead;
    },
    read(start, end) {
      count(end - start);
      return source.read(start, end);
    },
    readInto(target, start) {
      count(target.byteLength);
      return source.readInto(target, start);
    },
    close: () => source.close(),
  };
}
