/** True nearly everywhere. Where not, codecs take their byte-by-byte path instead of typed-array views. */
export const hostIsLittleEndian: boolean = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A view of little-endian 16-bit values, or undefined where the platform cannot give one: odd offset, big-endian. */
export function halfwordsOf(bytes: Uint8Array): Uint16Array | undefined {
  if (!hostIsLittleEndian || bytes.byteOffset % 2 !== 0) return undefined;
  return new Uint16Array(bytes.buffer, bytes.byteOffset, bytes.byteLength >>> 1);
}

/** The bit patterns of an f32 array. Reading or writing NaNs as floats may change them; through this view it does not. */
export function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}
