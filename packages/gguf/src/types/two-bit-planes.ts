/**
 * 256 two-bit codes in 64 bytes as Q2_K and Q3_K store them: byte 32h + l holds weights 128h + l + 32k in bits 2k (k =
 * 0…3). Only the low two bits of a code are stored; Q2_K's codes have no others. Source: ggml, src/ggml-quants.c.
 */
export function packTwoBitPlanes(codes: Uint8Array, out: Uint8Array, outOffset: number): void {
  for (let half = 0; half < 2; half++) {
    const from = 128 * half;
    const to = outOffset + 32 * half;
    for (let l = 0; l < 32; l++) {
      out[to + l] =
        (codes[from + l]! & 3) |
        ((codes[from + l + 32]! & 3) << 2) |
        ((codes[from + l + 64]! & 3) << 4) |
        ((codes[from + l + 96]! & 3) << 6);
    }
  }
}
