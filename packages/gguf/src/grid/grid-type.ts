import type { Grid, GridRequirement, Misfit } from "@requant/core/view";

/** The numbers of a grid that blocks are made of. */
export type GroupedCodes = Pick<Grid, "codes" | "scales" | "zeros">;

/**
 * A ggml type whose blocks can say what a grid says: `scale × (code − zero)`. `packBlock` writes the very integers;
 * ggml's decoder then computes d × (code − offset), or d × code − d × zero, in f32, all of it exact, so the values are the
 * grid's own, bit for bit (but that the K-quants, Q4_1 and Q5_1 give +0 where a negative scale gives −0).
 */
export interface GgufGridType {
  /** Name in the table of types: "Q4_0". */
  readonly name: string;
  /** Weights per block, and bytes: rows of `tensorTypes`. */
  readonly blockSize: number;
  readonly blockByteLength: number;
  /** What a grid must be for its blocks to hold it. */
  readonly requirement: GridRequirement;
  /** Columns per group of the grid that blocks are read into. */
  readonly groupSize: number;
  /** One block from `codes[from, from + blockSize)` of a fitted grid, and the scale and zero points from `group` on. */
  packBlock(grid: GroupedCodes, from: number, group: number, out: Uint8Array, at: number): void;
  /**
   * One block to codes from `codes[to]` on, and to scales and zero points of its groups from index `group` on.
   * @returns why there is no such grid, for the types that store offsets which need not be multiples of the scale
   */
  unpackBlock(
    bytes: Uint8Array,
    at: number,
    grid: GroupedCodes,
    to: number,
    group: number,
  ): Misfit | undefined;
}
