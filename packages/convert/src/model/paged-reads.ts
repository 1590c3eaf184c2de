/**
 * Pages between a model and its files. A q/k row permutation takes rows alternately from two places of each head; without
 * pages that is one read per row, a round trip each on a remote model.
 */

export type TensorRead<T> = (tensor: T, start: number, end: number) => Promise<Uint8Array>;

export interface PagedReadsOptions {
  /** Bytes per page. Reads of half a page and more go straight through. */
  readonly pageByteLength?: number;
  /** Pages kept, the last used ones. */
  readonly pageCount?: number;
}

/** Default bound of the cache: 8 pages of 512 KiB, whatever the model. */
export function pagedReads<T extends { readonly byteLength: number }>(
  read: TensorRead<T>,
  options: PagedReadsOptions = {},
): TensorRead<T> {
  const { pageByteLength = 512 * 1024, pageCount = 8 } = options;
  let pages: { tensor: T; index: number; bytes: Promise<Uint8Array> }[] = [];

  function page(tensor: T, index: number): Promise<Uint8Array> {
    const found = pages.find((entry) => entry.index === index && entry.tensor === tensor);
    if (found !== undefined) {
      pages = [found, ...pages.filter((entry) => entry !== found)];
      return found.bytes;
    }
    const start = index * pageByteLength;
    const entry = {
      tensor,
      index,
      bytes: read(tensor, start, Math.min(start + pageByteLength, tensor.byteLength)),
    };
    pages = [entry, ...pages.slice(0, pageCount - 1)];
    // a failed page is read again next time
    entry.bytes.catch(() => {
      pages = pages.filter((kept) => kept !== entry);
    });
    return entry.bytes;
  }

  return async (tensor, start, end) => {
    if ((end - start) * 2 >= pageByteLength || end === start) return read(tensor, start, end);
    const first = Math.floor(start / pageByteLength);
    const last = Math.floor((end - 1) / pageByteLength);
    const bytes = await page(tensor, first);
    const offset = start - first * pageByteLength;
    if (first === last) return bytes.subarray(offset, offset + end - start);
    const head = bytes.subarray(offset);
    const tail = (await page(tensor, last)).subarray(0, end - last * pageByteLength);
    const joined = new Uint8Array(end - start);
    joined.set(head);
    joined.set(tail, head.byteLength);
    return joined;
  };
}
