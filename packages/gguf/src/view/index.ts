/**
 * Between the view and ggml blocks, without touching a weight: which types can hold a view, blocks from a view, and a view
 * from blocks. `gguf:auto` is the first line of `exactTypes`.
 */
import { type ErrorPlace, UnsupportedError, UsageError } from "@requant/core";
import { checkBlockLengths, type LinearWeight } from "@requant/core/format";
import {
  checkRows,
  fittedView,
  type IntegerView,
  type Misfit,
  roundingAllowed,
  sequentialGroups,
  type ViewFacts,
  type ViewFit,
  viewMisfit,
} from "@requant/core/view";
import { viewToBlocksInKernel, weightToBlocksInKernel } from "./kernels.ts";
import { nibblesToBlocks } from "./nibble-kernels.ts";
import { viewQ2_0, viewQ4_0, viewQ4_1, viewQ5_0, viewQ5_1, viewQ8_0 } from "./plain-types.ts";
import { viewQ2_K, viewQ3_K, viewQ4_K, viewQ5_K, viewQ6_K } from "./super-block-types.ts";
import type { GgufViewType } from "./view-type.ts";

export type { GgufViewType } from "./view-type.ts";

/** Every type that can be a view, smallest first; of two of a size, the one that every reader has had for longer. */
export const viewTypes: readonly GgufViewType[] = [
  viewQ2_0,
  viewQ2_K,
  viewQ3_K,
  viewQ4_0,
  viewQ4_K,
  viewQ4_1,
  viewQ5_0,
  viewQ5_K,
  viewQ5_1,
  viewQ6_K,
  viewQ8_0,
];

/** @throws UnsupportedError for a type that is no view (codebooks, floats) */
export function viewTypeByName(name: string, place: ErrorPlace = {}): GgufViewType {
  const type = viewTypes.find((candidate) => candidate.name === name);
  if (type !== undefined) return type;
  throw new UnsupportedError(
    `${name} does not store integers times a scale; ${viewTypes.map((candidate) => candidate.name).join(", ")} do.`,
    place,
  );
}

/** The types that hold every view with these facts exactly, smallest first. */
export function exactTypes(facts: ViewFacts): GgufViewType[] {
  return viewTypes.filter((type) => viewMisfit(facts, type.requirement) === undefined);
}

/** Why a type cannot hold a view with these facts exactly; undefined when it can. */
export function typeMisfit(facts: ViewFacts, type: GgufViewType): Misfit | undefined {
  return viewMisfit(facts, type.requirement);
}

/** Bytes of a view's rows as blocks of a type. */
export function blockRowsByteLength(type: GgufViewType, rows: number, columns: number): number {
  return rows * (columns / type.blockSize) * type.blockByteLength;
}

/**
 * A view's rows as blocks of a type: the same codes, and the same values, unless an offset or scale must be rounded (ask
 * `typeMisfit`). `out` holds exactly the rows.
 * @throws UsageError when codes or groups do not fit the type, or `out` has another length
 */
export function viewToBlocks(type: GgufViewType, view: IntegerView, out: Uint8Array): void {
  const { blockSize, blockByteLength, requirement } = type;
  if (view.columns % blockSize === 0) {
    checkBlockLengths(type, out.byteLength, view.rows * view.columns);
    if (viewToBlocksInKernel(type, view, out)) return;
  }
  const fitted = fittedView(view, roundingAllowed(requirement));
  const { rows, columns, codes, scales, zeros, groupCount } = fitted;
  checkBlockLengths(type, out.byteLength, rows * columns);
  const perBlock = groupCount / (columns / blockSize);
  const blocks = (rows * columns) / blockSize;
  for (let block = 0; block < blocks; block++) {
    const group = block * perBlock;
    type.packBlock(codes, block * blockSize, scales[group]!, zeros, group, out, block * blockByteLength);
  }
}

/**
 * Rows `[rowStart, rowEnd)` of a stored weight as blocks of a type: what `viewToBlocks` makes of its view, in pieces that
 * stay in cache. `out` holds exactly the rows.
 * @throws UsageError as `viewToBlocks`
 */
export function weightToBlocks(
  type: GgufViewType,
  weight: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): void {
  checkRows(rowStart, rowEnd, weight.rows);
  if (weight.columns % type.blockSize === 0) {
    checkBlockLengths(type, out.byteLength, (rowEnd - rowStart) * weight.columns);
    const made = nibblesToBlocks(type, weight, rowStart, rowEnd, out);
    const rowByteLength = blockRowsByteLength(type, 1, weight.columns);
    for (const [start, end] of [
      [rowStart, made.start],
      [made.end, rowEnd],
    ] as const) {
      const part = out.subarray((start - rowStart) * rowByteLength, (end - rowStart) * rowByteLength);
      if (start < end && !weightToBlocksInKernel(type, weight, start, end, part)) {
        viewToBlocks(type, weight.toView(start, end), part);
      }
    }
    return;
  }
  viewToBlocks(type, weight.toView(rowStart, rowEnd), out);
}

/**
 * Whole rows of blocks as a view, where there is one: always for types without a minimum of their own, for the others
 * where each minimum is a whole multiple of its scale.
 * @throws UsageError when the bytes are not whole rows
 */
export function blocksToView(type: GgufViewType, bytes: Uint8Array, rows: number, columns: number): ViewFit {
  const { blockSize, blockByteLength, groupSize } = type;
  if (columns % blockSize !== 0) {
    throw new UsageError(`Rows of ${columns} weights are not whole blocks of ${blockSize}.`);
  }
  const blocks = checkBlockLengths(type, bytes.byteLength, rows * columns);
  const groupCount = columns / groupSize;
  const codes = new Uint8Array(rows * columns);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  const perBlock = blockSize / groupSize;
  for (let block = 0; block < blocks; block++) {
    const misfit = type.unpackBlock(
      bytes,
      block * blockByteLength,
      codes,
      block * blockSize,
      scales,
      zeros,
      block * perBlock,
    );
    if (misfit !== undefined) return { misfit };
  }
  const groupOfColumn = sequentialGroups(columns, groupSize);
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding: "none" } };
}
