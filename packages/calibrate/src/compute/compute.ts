import type { activations } from "../decoder/activation.ts";
import type { AttentionWindow } from "../decoder/attention.ts";

/** The heavy steps of a forward pass. Matrices are row-major f32. The results of one backend do not depend on how many threads it has. */
export interface Compute {
  /** For people: "SIMD with fused multiply-add, 4 threads". */
  readonly name: string;
  /** out[m, n] = a[m, k] × b[n, k]ᵀ: a linear layer with the weights b for the tokens a. */
  product(
    a: Float32Array,
    b: Float32Array,
    m: number,
    n: number,
    k: number,
    out: Float32Array,
  ): Promise<void> | void;
  /** Causal attention of whole windows, which do not depend on each other. */
  attention(windows: readonly AttentionWindow[]): Promise<void> | void;
  /** Replaces values by f(values), or by f(gate) × values. */
  activate(
    kind: keyof typeof activations,
    gate: Float32Array | undefined,
    values: Float32Array,
  ): Promise<void> | void;
  /** sums[columns, columns] += xᵀ x for x[tokens, columns], at and above the diagonal; what is below it is undefined. */
  addMoments(x: Float32Array, tokens: number, columns: number, sums: Float32Array): Promise<void> | void;
  /** Sums of xᵀ x that this backend keeps itself, because its memory is far; undefined where they are better in an array. */
  openMoments?(columns: number): MomentSums | undefined;
  /** A place for `length` numbers that this backend reads and writes without a copy, as long as it has room. Its contents are undefined. */
  allocate(length: number): ComputeArray;
  /** Ends the threads and gives back what the backend holds. */
  close(): Promise<void>;
}

/** Second moments of one matrix of inputs: Σ xᵀ x over all that was added. */
export interface MomentSums {
  /** Adds x[tokens, columns]. */
  add(x: Float32Array, tokens: number): Promise<void> | void;
  /** The sums [columns, columns] at and above the diagonal; what is below it is undefined. Good until the next call of any method. */
  read(): Promise<Float32Array>;
  /** Gives the memory back. */
  release(): void;
}

/** Numbers in the memory of a backend. */
export interface ComputeArray {
  readonly values: Float32Array;
  /** Gives the memory back; `values` must not be used after. */
  release(): void;
}
