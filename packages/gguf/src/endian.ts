import { UsageError } from "@requant/core";
import type { TensorType } from "./constants.ts";

/**
 * Whole blocks with the byte order of their multi-byte fields turned: little-endian blocks from big-endian ones and
 * back. A copy; `bytes` stays as it is.
 */
export function swapBlocks(bytes: Uint8Array, type: TensorType): Uint8Array {
  if (bytes.byteLength % type.blockByteLength !== 0) {
    throw new UsageError(
      `${bytes.byteLength} bytes are not whole ${type.name} blocks of ${type.blockByteLength}.`,
    );
  }
  const swapped = bytes.slice();
  for (const [byteOffset, byteWidth, count] of type.fields) {
    const end = byteOffset + byteWidth * count;
    for (let block = 0; block < swapped.byteLength; block += type.blockByteLength) {
      for (let at = block + byteOffset; at < block + end; at += byteWidth) reverse(swapped, at, byteWidth);
    }
  }
  return swapped;
}

function reverse(bytes: Uint8Array, start: number, byteLength: number): void {
  for (let i = start, j = start + byteLength - 1; i < j; i++, j--) {
    const byte = bytes[i]!;
    bytes[i] = bytes[j]!;
    bytes[j] = byte;
  }
}

/** The same bytes in chunks of whole blocks, for `swapBlocks`. An incomplete block at the end comes last, unchanged. */
export async function* wholeBlocks(
  chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  blockByteLength: number,
): AsyncGenerator<Uint8Array, void, void> {
  let rest: Uint8Array = new Uint8Array(0);
  for await (const chunk of chunks) {
    let bytes = chunk;
    if (rest.byteLength > 0) {
      bytes = new Uint8Array(rest.byteLength + chunk.byteLength);
      bytes.set(rest);
      bytes.set(chunk, rest.byteLength);
    }
    const whole = bytes.byteLength - (bytes.byteLength % blockByteLength);
    if (whole > 0) yield bytes.subarray(0, whole);
    // a copy: the caller may reuse the chunk
    rest = bytes.slice(whole);
  }
  if (rest.byteLength > 0) yield rest;
}
