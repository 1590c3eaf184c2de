import { UsageError } from "../errors.ts";
import { checkRange, copyPages } from "./range.ts";
import type { ByteSource } from "./source.ts";

/** Sizes of `cachedSource`. */
export interface CacheOptions {
  /** Bytes are fetched and kept in pages of this size. Default 64 KiB: a small header costs one request. */
  readonly pageByteLength?: number;
  /** Bytes kept at most; the least recently used pages go first. Default 16 MiB. */
  readonly maxByteLength?: number;
}

/**
 * Keeps recently read pages. For small reads near each other (headers, scales); a read of more than half the bound
 * goes straight through, since it would only push everything else out. Reads that need the same page at the same
 * time share one fetch, and neighbouring missing pages are fetched together.
 */
export function cachedSource(source: ByteSource, options: CacheOptions = {}): ByteSource {
  const { pageByteLength = 64 * 1024, maxByteLength = 16 * 1024 * 1024 } = options;
  if (!(Number.isSafeInteger(pageByteLength) && pageByteLength > 0 && maxByteLength >= pageByteLength)) {
    throw new UsageError(`A cache of ${maxByteLength} bytes cannot hold pages of ${pageByteLength}.`);
  }
  const { name, byteLength } = source;
  // a Map keeps insertion order: the first key is the least recently used page
  const pages = new Map<number, Uint8Array>();
  const pending = new Map<number, Promise<Uint8Array>>();
  let keptByteLength = 0;
  let closed = false;

  function keep(index: number, page: Uint8Array): void {
    if (closed || pages.has(index)) return;
    pages.set(index, page);
    keptByteLength += page.byteLength;
    for (const [oldest, oldPage] of pages) {
      if (keptByteLength <= maxByteLength) break;
      pages.delete(oldest);
      keptByteLength -= oldPage.byteLength;
    }
  }

  /** One read for pages `[first, last]`, none of which is cached or being fetched. */
  function fetchRun(first: number, last: number): void {
    const start = first * pageByteLength;
    const run = source.read(start, Math.min((last + 1) * pageByteLength, byteLength));
    for (let index = first; index <= last; index++) {
      const from = (index - first) * pageByteLength;
      const page = run.then((bytes) => {
        // a copy, so that one kept page does not keep the whole run (or the inner source's buffer) alive
        const copy = bytes.slice(from, from + pageByteLength);
        keep(index, copy);
        return copy;
      });
      pending.set(index, page);
      const done = (): void => {
        pending.delete(index);
      };
      page.then(done, done);
    }
  }

  /** Pages `[first, last]` in order. */
  async function pagesOf(first: number, last: number): Promise<Uint8Array[]> {
    const found: (Uint8Array | Promise<Uint8Array>)[] = [];
    for (let index = first; index <= last; index++) {
      const page = pages.get(index);
      if (page !== undefined) {
        pages.delete(index);
        pages.set(index, page);
        found.push(page);
        continue;
      }
      if (!pending.has(index)) {
        let end = index;
        while (end < last && !pages.has(end + 1) && !pending.has(end + 1)) end++;
        fetchRun(index, end);
      }
      const arriving = pending.get(index);
      if (arriving !== undefined) found.push(arriving);
    }
    return Promise.all(found);
  }

  async function readInto(target: Uint8Array, start: number): Promise<void> {
    const end = start + target.byteLength;
    checkRange(name, byteLength, start, end);
    if (start === end) return;
    if (end - start > maxByteLength / 2) return source.readInto(target, start);
    const first = Math.floor(start / pageByteLength);
    const last = Math.floor((end - 1) / pageByteLength);
    copyPages(target, start, await pagesOf(first, last), first * pageByteLength);
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
      closed = true;
      pages.clear();
      keptByteLength = 0;
      await source.close();
    },
  };
}
