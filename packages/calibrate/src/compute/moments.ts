import type { Compute } from "./compute.ts";

/** Second moments of one matrix of inputs: Σ xᵀ x over all that was added. */
export interface MomentSums {
  /** Adds x[tokens, columns]. */
  add(x: Float32Array, tokens: number): Promise<void> | void;
  /** The sums [columns, columns] at and above the diagonal; what is below it is undefined. Good until the next call of any method. */
  read(): Promise<Float32Array>;
  /** Gives the memory back. */
  release(): void;
}

/** Sums where the backend keeps them, or else in an array that it adds to. */
export function openMoments(compute: Compute, columns: number): MomentSums {
  return compute.openMoments?.(columns) ?? momentsInMemory(compute, columns);
}

function momentsInMemory(compute: Compute, columns: number): MomentSums {
  const sums = compute.allocate(columns * columns);
  sums.values.fill(0);
  return {
    add: (x, tokens) => compute.addMoments(x, tokens, columns, sums.values),
    read: async () => sums.values,
    release: () => sums.release(),
  };
}
