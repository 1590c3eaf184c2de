import type { Compute } from "../compute/compute.ts";

/** Buffers that steps use again and again, where the backend works on them without a copy: one for each use. */
export class Scratch {
  readonly #compute: Pick<Compute, "allocate">;
  readonly #buffers = new Map<string, Float32Array>();

  constructor(compute: Pick<Compute, "allocate">) {
    this.#compute = compute;
  }

  /** A buffer whose content is what was last written there. */
  floats(use: string, length: number): Float32Array {
    const found = this.#buffers.get(use);
    if (found !== undefined && found.length >= length) return found.subarray(0, length);
    // a shorter buffer stays: a step may still hold it
    const { values } = this.#compute.allocate(length);
    this.#buffers.set(use, values);
    return values;
  }
}
