/** Words as old versions of compressed-tensors filled them, and integers of 64 bits. */

/** Fields of one row or column, each word holding as many as fit. */
export interface LooseStream {
  readonly bits: number;
  readonly wordStart: number;
  /** From a word to the next of the same stream. */
  readonly wordStep: number;
}

/**
 * Fields `[start, end)` of a stream to `out` from `at` on; returns where the next would go. Source: compressed-tensors
 * 0.17.1, compressors/quantized_compressors/pack_quantized.py, `unpack_from_int32`.
 */
export function unpackLoose(
  words: Uint32Array,
  { bits, wordStart, wordStep }: LooseStream,
  range: readonly [start: number, end: number],
  out: Uint8Array,
  at: number,
): number {
  const perWord = Math.floor(32 / bits);
  const mask = 2 ** bits - 1;
  const [start, end] = range;
  for (let field = start; field < end; field++) {
    const word = words[wordStart + Math.floor(field / perWord) * wordStep]!;
    out[at + field - start] = (word >>> (bits * (field % perWord))) & mask;
  }
  return at + end - start;
}

/** The other way: `count` fields from `at` on to the words of a stream; spare bits are 0. */
export function packLoose(
  fields: Uint8Array,
  { bits, wordStart, wordStep }: LooseStream,
  at: number,
  count: number,
  words: Uint32Array,
): void {
  const perWord = Math.floor(32 / bits);
  for (let field = 0; field < count; field += perWord) {
    let word = 0;
    for (let i = 0; i < Math.min(perWord, count - field); i++) word |= fields[at + field + i]! << (bits * i);
    words[wordStart + (field / perWord) * wordStep] = word;
  }
}

/** Of 64-bit integers the lower halves; one that has more becomes all ones. */
export function lowWords(words: Uint32Array): Uint32Array {
  return Uint32Array.from({ length: words.length / 2 }, (_, i) => {
    const [low = 0, high = 0] = [words[2 * i], words[2 * i + 1]];
    // the other half of a small negative number is all ones
    return high === 0 || (high === 0xffffffff && low === 0xffffffff) ? low : 0xffffffff;
  });
}
