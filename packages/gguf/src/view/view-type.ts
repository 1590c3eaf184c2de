import type { Misfit, ViewRequirement } from "@requant/core/view";

/**
 * A ggml type whose blocks can say what a view says: `scale × (code − zero)`. `packBlock` writes the very integers;
 * ggml's decoder then computes d × (code − offset), or d × code − d × zero, in f32, all of it exact, so the values are the
 * view's own, bit for bit (but that the K-quants, Q4_1 and Q5_1 give +0 where a negative scale gives −0).
 */
export interface GgufViewType {
  /** Name in the table of types: "Q4_0". */
  readonly name: string;
  /** Weights per block, and bytes: rows of `tensorTypes`. */
  readonly blockSize: number;
  readonly blockByteLength: number;
  /** What a view must be for its blocks to hold it. */
  readonly requirement: ViewRequirement;
  /** Columns per group of the view that blocks are read into. */
  readonly groupSize: number;
  /**
   * One block from a fitted view: `codes[from, from + blockSize)`, one scale, and the zero points of its sub-blocks from
   * `zeros[zeroFrom]` on (of one where the type has no more).
   */
  packBlock(
    codes: Uint8Array,
    from: number,
    scale: number,
    zeros: Int16Array,
    zeroFrom: number,
    out: Uint8Array,
    at: number,
  ): void;
  /**
   * One block to codes from `codes[to]` on, and to scales and zero points of its groups from index `group` on.
   * @returns why there is no such view, for the types that store offsets which need not be multiples of the scale
   */
  unpackBlock(
    bytes: Uint8Array,
    at: number,
    codes: Uint8Array,
    to: number,
    scales: Float32Array,
    zeros: Int16Array,
    group: number,
  ): Misfit | undefined;
}
