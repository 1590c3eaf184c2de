/** xorshift32: numbers in [0, 1) that are the same on every machine. */
export function randomNumbers(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

/** Normal with a standard deviation of 0.02, similar to real weights. */
export function normalNumbers(seed: number, length: number): Float32Array {
  const random = randomNumbers(seed);
  return Float32Array.from(
    { length },
    () => 0.02 * Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
}
