/**
 * Pages between a model and its files. A q/k row permutation takes rows alternately from two places of each head; without
 * pages that is one read per row, a round trip each on a remote model.
 */
import { ReadBuffers } from "./read-buffers.ts";

/** Fills `target` with the bytes of a tensor from `start` on. */
export type TensorReadInto<T> = (tensor: T, start: number, target: Uint8Array) => Promise<void>;

export interface PagedReads<T> {
  /** Reads bytes `[start, end)` of a tensor and hands them to `use`. They are valid until `use` returns. */
  use<R>(tensor: T, start: number, end: number, use: (bytes: Uint8Array) => R): Promise<R>;
  /** Fills `target` with the bytes from `start` on. */
  into(tensor: T, start: number, target: Uint8Array): Promise<void>;
}

export interface PagedReadsOptions {
  /** Bytes per page. Reads of half a page and more go straight through. */
  readonly pageByteLength?: number;
  /** Pages kept, the last used ones. */
  readonly pageCount?: number;
}

interface Page<T> {
  readonly tensor: T;
  readonly index: number;
  readonly memory: Uint8Array;
  readonly filled: Promise<void>;
  /** Calls that wait for it or read it. */
  users: number;
  isKept: boolean;
}

/**
 * Default bound of the cache: 8 pages of 512 KiB, whatever the model. The memory of reads is used again: left to the
 * collector, each thread would hold about 64 MB of it.
 */
export function pagedReads<T extends { readonly byteLength: number }>(
  readInto: TensorReadInto<T>,
  options: PagedReadsOptions = {},
): PagedReads<T> {
  const { pageByteLength = 512 * 1024, pageCount = 8 } = options;
  const buffers = new ReadBuffers(4);
  const pageBuffers = new ReadBuffers(pageCount);
  let pages: Page<T>[] = [];

  function drop(page: Page<T>): void {
    page.isKept = false;
    if (page.users === 0) pageBuffers.giveBack(page.memory);
  }

  function pageOf(tensor: T, index: number): Page<T> {
    const found = pages.find((entry) => entry.index === index && entry.tensor === tensor);
    if (found !== undefined) {
      pages = [found, ...pages.filter((entry) => entry !== found)];
      return found;
    }
    const start = index * pageByteLength;
    const byteLength = Math.min(pageByteLength, tensor.byteLength - start);
    const memory = pageBuffers.take(pageByteLength);
    const filled = readInto(tensor, start, memory.subarray(0, byteLength));
    const entry: Page<T> = { tensor, index, memory, filled, users: 0, isKept: true };
    const evicted = pages.slice(pageCount - 1);
    pages = [entry, ...pages.slice(0, pageCount - 1)];
    for (const old of evicted) drop(old);
    // a failed page is read again next time
    filled.catch(() => {
      pages = pages.filter((kept) => kept !== entry);
      entry.isKept = false;
    });
    return entry;
  }

  async function usePage<R>(tensor: T, index: number, use: (memory: Uint8Array) => R): Promise<R> {
    const page = pageOf(tensor, index);
    page.users += 1;
    // after a failure the memory is not used again: a read that was given up may still be on its way
    await page.filled;
    try {
      return use(page.memory);
    } finally {
      page.users -= 1;
      if (!page.isKept && page.users === 0) pageBuffers.giveBack(page.memory);
    }
  }

  /** Through a buffer of its own: `fill` brings the bytes there. */
  async function useBuffer<R>(
    byteLength: number,
    fill: (target: Uint8Array) => Promise<void>,
    use: (bytes: Uint8Array) => R,
  ): Promise<R> {
    const memory = buffers.take(byteLength);
    const bytes = memory.subarray(0, byteLength);
    await fill(bytes);
    try {
      return use(bytes);
    } finally {
      buffers.giveBack(memory);
    }
  }

  const isPaged = (byteLength: number): boolean => byteLength > 0 && byteLength * 2 < pageByteLength;

  async function useBytes<R>(
    tensor: T,
    start: number,
    end: number,
    use: (bytes: Uint8Array) => R,
  ): Promise<R> {
    if (!isPaged(end - start)) {
      return useBuffer(end - start, (target) => readInto(tensor, start, target), use);
    }
    const first = Math.floor(start / pageByteLength);
    const last = Math.floor((end - 1) / pageByteLength);
    const offset = start - first * pageByteLength;
    if (first === last) {
      return usePage(tensor, first, (memory) => use(memory.subarray(offset, offset + end - start)));
    }
    const headLength = pageByteLength - offset;
    return useBuffer(
      end - start,
      async (target) => {
        await usePage(tensor, first, (memory) => target.set(memory.subarray(offset, pageByteLength)));
        await usePage(tensor, last, (memory) =>
          target.set(memory.subarray(0, end - last * pageByteLength), headLength),
        );
      },
      use,
    );
  }

  return {
    use: useBytes,
    async into(tensor, start, target) {
      const end = start + target.byteLength;
      if (isPaged(target.byteLength)) await useBytes(tensor, start, end, (bytes) => target.set(bytes));
      else await readInto(tensor, start, target);
    },
  };
}
