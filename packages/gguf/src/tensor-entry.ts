/** Entries of a file's table of tensors. */
import type { TensorType } from "./constants.ts";

/** A tensor as the table states it: `byteOffset` counts from the start of the data. */
export interface TensorEntry {
  readonly name: string;
  /** Row-major; the file has the innermost dimension first. */
  readonly shape: readonly number[];
  readonly type: TensorType;
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Every shape once, by its text: a table may have a hundred thousand tensors, and few shapes. */
export type Shapes = Map<string, readonly number[]>;

export function sameShape(shape: readonly number[], shapes: Shapes): readonly number[] {
  const key = shape.join();
  const known = shapes.get(key);
  if (known === undefined) shapes.set(key, shape);
  return known ?? shape;
}

/** Bytes of a tensor of this shape; undefined when rows are not whole blocks, or when no file holds so many. */
export function storedByteLength(shape: readonly number[], type: TensorType): number | undefined {
  const { blockSize, blockByteLength } = type;
  if ((shape[shape.length - 1] ?? 1) % blockSize !== 0) return undefined;
  // dimensions of 0 are left out, so that the other dimensions are still bounded
  let product = 1;
  let isEmpty = false;
  for (const size of shape) {
    if (size === 0) isEmpty = true;
    else product *= size;
  }
  const byteLength = isEmpty ? 0 : (product / blockSize) * blockByteLength;
  return Number.isSafeInteger(product) && Number.isSafeInteger(byteLength) ? byteLength : undefined;
}

/**
 * Bytes of a tensor of this shape.
 * @throws the error that `fault` makes, when rows are not whole blocks or the length exceeds any file.
 */
export function tensorByteLength(
  shape: readonly number[],
  type: TensorType,
  fault: (message: string, reason?: string) => Error,
): number {
  const byteLength = storedByteLength(shape, type);
  if (byteLength !== undefined) return byteLength;
  const rowLength = shape[shape.length - 1] ?? 1;
  if (rowLength % type.blockSize !== 0) {
    throw fault(
      `A row has ${rowLength} weights, which is not a multiple of the ${type.blockSize} of a ${type.name} block.`,
    );
  }
  const sizes = shape.map((size) => ` ${size} `).join("×");
  throw fault(`A tensor of ${sizes.trim()} weights is larger than any file.`, "impossible-size");
}
