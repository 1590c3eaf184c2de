/** What `prefetchRows` read, so that no compiler leaves it out. */
let touched: u32 = 0;

/**
 * Brings the first `byteLength` bytes of `rows` rows, `step` bytes from one to the next, into cache. Rows lie pages apart in
 * a large weight, where processors do not look ahead, and loads alone overlap more of the waiting than loads or stores
 * with the work between them.
 */
export function prefetchRows(address: usize, step: usize, rows: i32, byteLength: usize): void {
  let all = touched;
  for (; rows > 0; rows--, address += step) {
    const end = address + byteLength;
    for (let line = address; line < end; line += 64) all |= <u32>load<u8>(line);
  }
  touched = all;
}
