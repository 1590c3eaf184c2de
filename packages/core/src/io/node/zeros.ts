/** Longer runs of zeros are not written: a hole in a file reads as zeros. */
const zeros = Buffer.alloc(64 * 1024);

/** Whether many bytes are all zeros. Other bytes are recognized by their first piece, so this check is cheap. */
export function isZeros(bytes: Uint8Array): boolean {
  if (bytes.byteLength < zeros.byteLength) return false;
  for (let start = 0; start < bytes.byteLength; start += zeros.byteLength) {
    const piece = bytes.subarray(start, start + zeros.byteLength);
    if (Buffer.compare(piece, zeros.subarray(0, piece.byteLength)) !== 0) return false;
  }
  return true;
}
