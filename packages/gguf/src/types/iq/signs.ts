/**
 * Signs kept apart from magnitudes: bit j of a byte says that weight j of 8 is negative.
 * Source: ggml, src/ggml-common.h (ksigns_iq2xs, kmask_iq2xs), src/ggml-quants.c.
 */

/** ±1 of the 8 weights of each sign byte. */
export const SIGNS: Int8Array = /* @__PURE__ */ signTable();

/** The sign byte of each 7-bit code: the number of negative weights is even, so that the eighth bit need not be stored. */
export const EVEN_SIGN_BYTES: Uint8Array = /* @__PURE__ */ evenSignBytes();

function signTable(): Int8Array {
  return Int8Array.from({ length: 256 * 8 }, (_, i) => ((i >> 3) & (1 << (i & 7)) ? -1 : 1));
}

function evenSignBytes(): Uint8Array {
  return Uint8Array.from({ length: 128 }, (_, code) => {
    let negativeCount = 0;
    for (let bits = code; bits !== 0; bits >>= 1) negativeCount += bits & 1;
    return code | ((negativeCount & 1) << 7);
  });
}

/** Splits `count` values in magnitudes and a sign byte per 8. */
export function splitSigns(
  values: Float32Array,
  start: number,
  count: number,
  magnitudes: Float32Array,
  signs: Uint8Array,
): void {
  for (let k = 0; k < count; k += 8) {
    let byte = 0;
    for (let i = 0; i < 8; i++) {
      const value = values[start + k + i]!;
      const negative = value >= 0 ? 0 : 1;
      magnitudes[k + i] = negative ? -value : value;
      byte |= negative << i;
    }
    signs[k >> 3] = byte;
  }
}

const fround = Math.fround;

/**
 * The same for an even number of negative weights per 8: where it is odd, the weight that costs least by
 * weight × value² takes the wrong sign, so its "magnitude" is negative. Bit 7 of each byte is dropped.
 */
export function splitEvenSigns(
  values: Float32Array,
  start: number,
  count: number,
  weights: Float32Array,
  magnitudes: Float32Array,
  signs: Uint8Array,
): void {
  for (let k = 0; k < count; k += 8) {
    let byte = 0;
    let negativeCount = 0;
    for (let i = 0; i < 8; i++) {
      const value = values[start + k + i]!;
      const negative = value >= 0 ? 0 : 1;
      magnitudes[k + i] = negative ? -value : value;
      byte |= negative << i;
      negativeCount += negative;
    }
    if (negativeCount & 1) {
      let least = 0;
      let leastCost = Number.POSITIVE_INFINITY;
      for (let i = 0; i < 8; i++) {
        const value = values[start + k + i]!;
        const cost = fround(fround(weights[k + i]! * value) * value);
        if (cost < leastCost) {
          leastCost = cost;
          least = i;
        }
      }
      magnitudes[k + least] = -magnitudes[k + least]!;
      byte ^= 1 << least;
    }
    signs[k >> 3] = byte & 127;
  }
}
