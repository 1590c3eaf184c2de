import type { WeightFormat } from "../format/weight-format.ts";
import type { FormatVector } from "./format-vector.ts";

/** One check: `run` throws an error that says what is wrong, or returns. */
export interface ConformanceCase {
  /** "golden values: b4_g128.safetensors". */
  readonly name: string;
  /** Does the check. @throws Error that says what is wrong */
  run(): Promise<void>;
}

/** What the suite needs from the caller. */
export interface ConformanceOptions {
  /**
   * Runs the work and counts its steps, the same number at every run; a count of V8's block counters is one. Without it,
   * the growth of the work with the size of a weight is not checked.
   */
  readonly countSteps?: (work: () => void) => number;
  /** True: leaves out the checks that depend on no vector, for a second set of vectors. */
  readonly vectorsOnly?: boolean;
}

/** A format under test and its vectors. */
export interface Subject {
  readonly format: WeightFormat;
  readonly vectors: readonly FormatVector[];
  readonly options: ConformanceOptions;
}
