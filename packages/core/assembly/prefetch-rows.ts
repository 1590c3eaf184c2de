/** Keeps the bytes that `prefetchRows` reads, so that no compiler removes the loads. */
let touched: u32 = 0;

/**
 * Brings the first `byteLength` bytes of `rows` rows, `step` bytes from one to the next, into cache. Rows are pages apart
 * in a large weight, where processors do not prefetch, and loads without work between them overlap more of their latency.
 */
export function prefetchRows(address: usize, step: usize, rows: i32, byteLength: usize): void {
  let all = touched;
  // four rows at a time: many rows are but one line of the cache long
  for (; rows >= 4; rows -= 4, address += 4 * step) {
    const end = address + byteLength;
    for (let line = address; line < end; line += 64) {
      const two = <u32>load<u8>(line) | <u32>load<u8>(line + step);
      all |= two | <u32>load<u8>(line + 2 * step) | <u32>load<u8>(line + 3 * step);
    }
  }
  for (; rows > 0; rows--, address += step) {
    const end = address + byteLength;
    for (let line = address; line < end; line += 64) all |= <u32>load<u8>(line);
  }
  touched = all;
}
