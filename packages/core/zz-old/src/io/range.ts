import { IoError } from "../errors.ts";

/** Refuses a byte range that is not inside a source of `byteLength` bytes. */
export function checkRange(name: string, byteLength: number, start: number, end: number): void {
  if (
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(end) &&
    start >= 0 &&
    start <= end &&
    end <= byteLength
  )
    return;
  throw new IoError(`Bytes ${start} to ${end} were requested, but the file has ${byteLength} bytes.`, {
    path: name,
    offset: Number.isSafeInteger(start) && start >= 0 ? start : undefined,
    hint: "Check that the file is complete: it may be a partial download.",
  });
}

/** Fills `target`, which begins at `start` of a source, from consecutive pages, the first of which begins at `pagesStart`. */
export function copyPages(
  target: Uint8Array,
  start: number,
  pages: readonly Uint8Array[],
  pagesStart: number,
): void {
  const end = start + target.byteLength;
  let pageStart = pagesStart;
  for (const page of pages) {
    const from = Math.max(start, pageStart);
    const to = Math.min(end, pageStart + page.byteLength);
    target.set(page.subarray(from - pageStart, to - pageStart), from - start);
    pageStart += page.byteLength;
  }
}
