/** True on nearly all machines. On a big-endian machine, codecs read byte by byte in place of typed-array views. */
export const hostIsLittleEndian: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A view of little-endian 16-bit values; undefined for an odd offset and on a big-endian machine. */
export function halfwordsOf(bytes: Uint8Array): Uint16Array | undefined {
  if (!hostIsLittleEndian || bytes.byteOffset % 2 !== 0) return undefined;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 1);
}

/** The bit patterns of an f32 array. Reading or writing a NaN as a float may change its bits; this view keeps them. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
