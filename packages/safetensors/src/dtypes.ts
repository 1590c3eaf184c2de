import { type ErrorPlace, UnsupportedError } from "@requant/core";
import { quoted } from "@requant/core/text";

/** Bits per element of every dtype of the format. Sub-byte elements are packed: a tensor must still be whole bytes. */
export const dtypeBits: Readonly<Record<string, number>> = {
  BOOL: 8,
  F4: 4,
  F6_E2M3: 6,
  F6_E3M2: 6,
  U8: 8,
  I8: 8,
  F8_E5M2: 8,
  F8_E4M3: 8,
  F8_E8M0: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  I16: 16,
  U16: 16,
  F16: 16,
  BF16: 16,
  I32: 32,
  U32: 32,
  F32: 32,
  C64: 64,
  F64: 64,
  I64: 64,
  U64: 64,
};

/**
 * In the order of the official writer's ranks; that writer puts the last dtype first, so that data stays aligned. Source:
 * safetensors (Rust), src/tensor.rs, enum Dtype.
 */
export const dtypes: readonly string[] = Object.keys(dtypeBits);

/**
 * @throws UnsupportedError for an unknown dtype; the error that `fault` makes when the length is not whole or exceeds any
 * file.
 */
export function tensorByteLength(
  shape: readonly number[],
  dtype: string,
  fault: (message: string) => Error,
  place: ErrorPlace,
): number {
  const bits = Object.hasOwn(dtypeBits, dtype) ? dtypeBits[dtype] : undefined;
  if (bits === undefined) {
    throw new UnsupportedError(`${quoted(dtype)} is not a dtype of safetensors.`, {
      ...place,
      hint: `Known: ${dtypes.join(", ")}.`,
    });
  }
  // dimensions of 0 are left out, so that the other dimensions are still bounded
  const product = shape.reduce((product, size) => product * Math.max(size, 1), 1);
  if (!Number.isSafeInteger(product * bits)) {
    throw fault(`A tensor of ${shape.join(" × ")} elements is larger than any file.`);
  }
  const byteLength = (shape.includes(0) ? 0 : product * bits) / 8;
  if (!Number.isInteger(byteLength)) {
    throw fault(`${dtype} of shape [${shape.join(", ")}] does not fill whole bytes.`);
  }
  return byteLength;
}
