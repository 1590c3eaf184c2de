import { checkRange } from "./range.ts";
import type { ByteSource } from "./source.ts";

/** Sizes of `coalescedSource`. */
export interface CoalesceOptions {
  /** Reads whose gap is at most this become one. Default 64 KiB: over HTTP, less than the cost of another request. */
  readonly gapByteLength?: number;
  /** A merged read is not longer than this; a single one may be. Default 8 MiB. */
  readonly maxByteLength?: number;
}

interface Waiting {
  readonly start: number;
  readonly end: number;
  readonly target: Uint8Array | undefined;
  readonly resolve: (bytes: Uint8Array) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * Merges reads that are near each other and asked for in the same tick: `Promise.all` over the small tensors of a
 * layer becomes one request. A merged read gives views of one buffer, which lives as long as any of them.
 */
export function coalescedSource(source: ByteSource, options: CoalesceOptions = {}): ByteSource {
  const { gapByteLength = 64 * 1024, maxByteLength = 8 * 1024 * 1024 } = options;
  const { name, byteLength } = source;
  let queue: Waiting[] = [];

  function enqueue(start: number, end: number, target: Uint8Array | undefined): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      queue.push({ start, end, target, resolve, reject });
      if (queue.length === 1) queueMicrotask(flush);
    });
  }

  function flush(): void {
    const waiting = queue.sort((a, b) => a.start - b.start || a.end - b.end);
    queue = [];
    let group: Waiting[] = [];
    let groupEnd = 0;
    for (const read of waiting) {
      const first = group[0];
      const joins =
        first !== undefined &&
        read.start - groupEnd <= gapByteLength &&
        Math.max(groupEnd, read.end) - first.start <= maxByteLength;
      if (joins) {
        group.push(read);
        groupEnd = Math.max(groupEnd, read.end);
      } else {
        if (group.length > 0) void run(group, groupEnd);
        group = [read];
        groupEnd = read.end;
      }
    }
    if (group.length > 0) void run(group, groupEnd);
  }

  async function run(group: readonly Waiting[], groupEnd: number): Promise<void> {
    try {
      const first = group[0];
      if (first === undefined) return;
      if (group.length === 1 && first.target !== undefined) {
        await source.readInto(first.target, first.start);
        first.resolve(first.target);
        return;
      }
      const bytes = await source.read(first.start, groupEnd);
      for (const read of group) {
        const part = bytes.subarray(read.start - first.start, read.end - first.start);
        read.target?.set(part);
        read.resolve(part);
      }
    } catch (error) {
      for (const read of group) read.reject(error);
    }
  }

  return {
    name,
    byteLength,
    version: source.version,
    async read(start, end) {
      checkRange(name, byteLength, start, end);
      return enqueue(start, end, undefined);
    },
    async readInto(target, start) {
      checkRange(name, byteLength, start, start + target.byteLength);
      await enqueue(start, start + target.byteLength, target);
    },
    close: () => source.close(),
  };
}
