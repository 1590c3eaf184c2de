/** f32 values as little-endian bytes: a view where the machine is little-endian already. */
export function floatBytes(values: Float32Array): Uint8Array {
  const bytes = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  if (LITTLE_ENDIAN) return bytes;
  const swapped = bytes.slice();
  const view = new DataView(swapped.buffer);
  values.forEach((value, index) => {
    view.setFloat32(index * 4, value, true);
  });
  return swapped;
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
