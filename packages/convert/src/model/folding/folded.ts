import type { Finding, ReadStore } from "@requant/core";

/** What becomes of a tensor where scales are folded in. */
export type FoldedTensor =
  /** A weight: its numbers are multiplied by a factor for each row and one for each column. */
  | {
      readonly kind: "factors";
      readonly rows?: Float32Array | undefined;
      /** For each matrix of a stack, one factor per column. */
      readonly columns?: Float32Array | undefined;
    }
  /** A norm or a bias: its numbers are replaced. */
  | { readonly kind: "values"; readonly encoding: "F32" | "F16" | "BF16"; readonly values: Float32Array };

/** Scales that are folded into a model. */
export interface Folded {
  /** By the model's names. */
  readonly tensors: ReadonlyMap<string, FoldedTensor>;
  /** By the GGUF name of each weight that reads divided inputs: the scales [matrices, columns]. */
  readonly inputs: ReadonlyMap<string, Float32Array>;
}

/** Where folded scales are stored. */
export interface FoldingLocation {
  readonly store: ReadStore;
  readonly file: string;
}

/** The scales that a model is read with. */
export interface AppliedFolding {
  readonly folded: Folded;
  /** What the tensors that they change are stored as, by the model's names. */
  readonly storedAs: ReadonlyMap<string, string>;
  /** Where a worker finds them; absent: in this thread's memory alone. */
  readonly location?: FoldingLocation | undefined;
  /** What a plan of the model tells about them. */
  readonly findings: readonly Finding[];
}
