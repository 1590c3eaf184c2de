/**
 * `[outer, inner]` to `[inner, outer]`: most formats store scales as `[groups, rows]`, a view has them by row.
 */
export function transposed<T extends Float32Array | Int16Array>(values: T, outer: number, inner: number): T {
  const out = values.slice();
  // a line of the cache at a time on both sides
  const step = 16;
  for (let first = 0; first < inner; first += step) {
    const end = Math.min(first + step, inner);
    for (let i = 0; i < outer; i++) {
      for (let j = first; j < end; j++) out[j * outer + i] = values[i * inner + j]!;
    }
  }
  return out as T;
}
