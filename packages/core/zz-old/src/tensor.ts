/** What a writer needs to know about a tensor. */
export interface TensorShape {
  readonly name: string;
  /** Row-major, outermost first, in every format. */
  readonly shape: readonly number[];
  /** Type as users of the format see it: "Q4_K", "F16", "BF16", "I32". */
  readonly encoding: string;
}

/** One stored tensor, as a header describes it. */
export interface TensorInfo extends TensorShape {
  /** Offset of the first byte in its file. */
  readonly byteOffset: number;
  readonly byteLength: number;
}

/** Product of the shape; 1 for a scalar. Not checked for overflow: headers check before they build a `TensorInfo`. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** Length of the innermost dimension; 1 for a scalar. */
export function rowLength(shape: readonly number[]): number {
  return shape.at(-1) ?? 1;
}

/** Number of rows: all dimensions but the innermost. */
export function rowCount(shape: readonly number[]): number {
  return shape.slice(0, -1).reduce((product, size) => product * size, 1);
}
