/** Buffers that steps use again and again: one for each use, as long as its longest use. */
export class Scratch {
  readonly #buffers = new Map<string, Float32Array>();

  /** A buffer whose content is what was last written there. */
  floats(use: string, length: number): Float32Array {
    const found = this.#buffers.get(use);
    if (found !== undefined && found.length >= length) return found.subarray(0, length);
    const made = new Float32Array(length);
    this.#buffers.set(use, made);
    return made;
  }
}
