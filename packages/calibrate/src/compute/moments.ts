import type { Compute, MomentSums } from "./compute.ts";

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
