import type { Comparison } from "./comparison.ts";
import type { OutputErrorSums } from "./output-error.ts";

/** The parts of a weight, and what packing changed. */
export interface PackedWeight {
  /** By suffix. */
  readonly bytes: Record<string, Uint8Array>;
  /** Set for weights that are neither copied nor exact. */
  readonly measured: Comparison | undefined;
  /** Set for weights that were solved. */
  readonly output?: OutputErrorSums | undefined;
}
