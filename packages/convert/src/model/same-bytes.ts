/** Whether two ranges hold the same bytes. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.byteLength !== b.byteLength) return false;
  // words first, as far as both ranges have them at their starts
  const inWords = a.byteOffset % 4 === 0 && b.byteOffset % 4 === 0 ? a.byteLength - (a.byteLength % 4) : 0;
  if (!sameNumbers(wordsOf(a, inWords), wordsOf(b, inWords))) return false;
  return sameNumbers(a.subarray(inWords), b.subarray(inWords));
}

function wordsOf({ buffer, byteOffset }: Uint8Array, byteLength: number): Int32Array {
  return byteLength === 0 ? new Int32Array(0) : new Int32Array(buffer, byteOffset, byteLength / 4);
}

function sameNumbers<T extends Uint8Array | Int32Array>(a: T, b: T): boolean {
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) return false;
  }
  return true;
}
