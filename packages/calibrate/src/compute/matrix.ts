import { UsageError } from "@requant/core";

/** Writes from[rows, columns] into an array whose rows begin `stride` numbers after each other. */
export function copyRows(
  from: Float32Array,
  rows: number,
  columns: number,
  out: Float32Array,
  start: number,
  stride: number,
): void {
  if (stride === columns) out.set(from, start);
  else {
    for (let row = 0; row < rows; row++) {
      out.set(from.subarray(row * columns, (row + 1) * columns), start + row * stride);
    }
  }
}

/** @throws UsageError that names the array whose length is wrong */
export function checkLength(name: string, array: Float32Array, expected: number): void {
  if (array.length === expected) return;
  throw new UsageError(`The array ${name} has ${array.length} numbers, and ${expected} are needed.`);
}
