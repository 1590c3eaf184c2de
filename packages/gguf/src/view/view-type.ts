import type { BiasedView, IntegerView, TableView, ViewRequirement } from "@requant/core/view";

/** The numbers of a view that blocks are made of. */
export type GroupedCodes = Pick<IntegerView, "codes" | "scales" | "zeros">;

/** The same with a bias in place of a zero point. */
export type BiasedCodes = Pick<BiasedView, "codes" | "scales" | "biases">;

/** The codes of the type's own table, and scales. */
export type TableCodes = Pick<TableView, "codes" | "scales">;

/** The numbers of unpacked blocks, block after block. */
export interface Unpacked {
  readonly codes: Uint8Array;
  /** One array per entry of `factorSizes`. */
  readonly factors: readonly Float32Array[];
  /** Where the type stores a bias. */
  readonly biases: Float32Array;
}

/** How the blocks of a ggml type are read as a view: level[code] × factors + bias, as ggml's own decoder computes it. */
export interface BlockView {
  /** Integer codes around a fixed zero point, or a table. */
  readonly levels: { readonly zero: number } | Float32Array;
  /** The largest code of the same view as integers. */
  readonly maxCode: number;
  /** Neighbours that share a number of each factor; products of all factors are exact in f32. */
  readonly factorSizes: readonly number[];
  /** Neighbours that share a bias. */
  readonly biasSize?: number;
  /** One block, the `block`-th, whose bytes begin at `at`. */
  unpackBlock(bytes: Uint8Array, at: number, out: Unpacked, block: number): void;
  /** Writes `codes[from, from + blockSize)` into the block that begins at `at`, whose scales and minimums stay. */
  packCodes(bytes: Uint8Array, at: number, codes: Uint8Array, from: number): void;
}

/** A ggml type whose blocks have a view. */
export interface GgufViewSource {
  /** Name in the table of types: "Q4_0". */
  readonly name: string;
  /** Weights per block, and bytes: rows of `tensorTypes`. */
  readonly blockSize: number;
  readonly blockByteLength: number;
  readonly view: BlockView;
}

/**
 * A ggml type whose blocks can be written from a view. `packBlock` writes the very integers; ggml's decoder then computes
 * d × (code − offset), or d × code − d × zero, in f32, all of it exact, so the values are the view's own, bit for bit (but
 * that the K-quants, Q4_1 and Q5_1 give +0 where a negative scale gives −0).
 */
export interface GgufViewType extends GgufViewSource {
  /** What a view must be for the blocks of this type to hold it. */
  readonly requirement: ViewRequirement;
  /**
   * One block from a fitted view: `codes[from, from + blockSize)`, the scale of `group`, and the zero points of its
   * sub-blocks from `group` on (of one where the type has no more).
   */
  packBlock(view: GroupedCodes, from: number, group: number, out: Uint8Array, at: number): void;
  /** The same with a bias in place of a zero point, where the requirement has one. */
  packBiasedBlock?(view: BiasedCodes, from: number, group: number, out: Uint8Array, at: number): void;
  /** The same in place of `packBlock`, where the requirement is a table of levels. */
  packTableBlock?(view: TableCodes, from: number, group: number, out: Uint8Array, at: number): void;
}
