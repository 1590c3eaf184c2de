import { UsageError } from "../errors.ts";
import type { BlockCodec } from "./block-codec.ts";

/** @inline */
type BlockShape = Pick<BlockCodec, "name" | "blockSize" | "blockByteLength">;

/**
 * The length check of every `dequantize`: `weights` whole blocks, `byteLength` bytes of them.
 * @returns the number of blocks
 * @throws UsageError
 */
export function checkBlockLengths(codec: BlockShape, byteLength: number, weights: number): number {
  const blocks = weights / codec.blockSize;
  if (!Number.isInteger(blocks)) {
    throw new UsageError(`${codec.name}: ${weights} weights are not whole blocks of ${codec.blockSize}.`);
  }
  if (byteLength !== blocks * codec.blockByteLength) {
    throw new UsageError(
      `${codec.name}: ${weights} weights take ${blocks * codec.blockByteLength} bytes, ${byteLength} were given.`,
    );
  }
  return blocks;
}

/**
 * The length check of every `quantize`: whole rows of whole blocks, and one importance per column if any.
 * @returns the number of blocks in all
 * @throws UsageError
 */
export function checkRowLengths(
  codec: BlockShape,
  weights: number,
  rowLength: number,
  byteLength: number,
  importance?: Float32Array,
): number {
  if (!(Number.isInteger(rowLength) && rowLength > 0 && rowLength % codec.blockSize === 0)) {
    throw new UsageError(
      `${codec.name}: a row of ${rowLength} weights is not whole blocks of ${codec.blockSize}.`,
    );
  }
  if (weights % rowLength !== 0) {
    throw new UsageError(`${codec.name}: ${weights} weights are not whole rows of ${rowLength}.`);
  }
  if (importance !== undefined && importance.length !== rowLength) {
    throw new UsageError(
      `${codec.name}: the importance matrix has ${importance.length} values for rows of ${rowLength} weights.`,
    );
  }
  return checkBlockLengths(codec, byteLength, weights);
}
