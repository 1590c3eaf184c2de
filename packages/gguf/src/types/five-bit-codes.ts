/**
 * 32 five-bit codes as Q5_0 and Q5_1 store them: `u8[4]` of bit 4, weight 0 in the lowest bit, then `u8[16]` of nibbles,
 * weights 0–15 low and 16–31 high. Source: ggml, src/ggml-quants.c.
 */
export function packFiveBitCodes(codes: Uint8Array, out: Uint8Array, outOffset: number): void {
  let qh = 0;
  for (let j = 0; j < 16; j++) {
    const low = codes[j]!;
    const high = codes[j + 16]!;
    out[outOffset + 4 + j] = (low & 15) | ((high & 15) << 4);
    qh |= (((low >> 4) & 1) << j) | (((high >> 4) & 1) << (j + 16));
  }
  out[outOffset] = qh;
  out[outOffset + 1] = qh >> 8;
  out[outOffset + 2] = qh >> 16;
  out[outOffset + 3] = qh >> 24;
}
