/**
 * Between the grid and ggml blocks, without touching a weight: which types can hold a grid, blocks from a grid, and a grid
 * from blocks. `gguf:auto` is the first line of `exactTypes`.
 */
import { type ErrorPlace, UnsupportedError, UsageError } from "@requant/core";
import { checkBlockLengths, type LinearWeight } from "@requant/core/format";
import {
  checkRows,
  fittedGrid,
  type Grid,
  type GridFacts,
  type GridFit,
  gridMisfit,
  type Misfit,
  roundingAllowed,
  sequentialGroups,
} from "@requant/core/view";
import type { GgufGridType } from "./grid-type.ts";
import { gridQ2_0, gridQ4_0, gridQ4_1, gridQ5_0, gridQ5_1, gridQ8_0 } from "./plain-types.ts";
import { gridQ2_K, gridQ3_K, gridQ4_K, gridQ5_K, gridQ6_K } from "./super-block-types.ts";

export type { GgufGridType } from "./grid-type.ts";

/** Every type that can be a grid, smallest first; of two of a size, the one that every reader has had for longer. */
export const gridTypes: readonly GgufGridType[] = [
  gridQ2_0,
  gridQ2_K,
  gridQ3_K,
  gridQ4_0,
  gridQ4_K,
  gridQ4_1,
  gridQ5_0,
  gridQ5_K,
  gridQ5_1,
  gridQ6_K,
  gridQ8_0,
];

/**
 * The type of this name, where its blocks are integers times a scale.
 * @throws UnsupportedError for a type that is no grid (codebooks, floats)
 */
export function gridTypeByName(name: string, place: ErrorPlace = {}): GgufGridType {
  const type = gridTypes.find((candidate) => candidate.name === name);
  if (type !== undefined) return type;
  throw new UnsupportedError(
    `${name} does not store integers times a scale; ${gridTypes.map((candidate) => candidate.name).join(", ")} do.`,
    place,
  );
}

/** The types that hold every grid with these facts exactly, smallest first. */
export function exactTypes(facts: GridFacts): GgufGridType[] {
  return gridTypes.filter((type) => gridMisfit(facts, type.requirement) === undefined);
}

/** Why a type cannot hold a grid with these facts exactly; undefined when it can. */
export function typeMisfit(facts: GridFacts, type: GgufGridType): Misfit | undefined {
  return gridMisfit(facts, type.requirement);
}

/** Bytes of a grid's rows as blocks of a type. */
export function blockRowsByteLength(type: GgufGridType, rows: number, columns: number): number {
  return rows * (columns / type.blockSize) * type.blockByteLength;
}

/**
 * A grid's rows as blocks of a type: the same codes, and the same values, unless an offset or scale must be rounded (ask
 * `typeMisfit`). `out` holds exactly the rows.
 * @throws UsageError when codes or groups do not fit the type, or `out` has another length
 */
export function gridToBlocks(type: GgufGridType, grid: Grid, out: Uint8Array): void {
  const { blockSize, blockByteLength, requirement } = type;
  const fitted = fittedGrid(grid, roundingAllowed(requirement));
  const { rows, columns, groupCount } = fitted;
  checkBlockLengths(type, out.byteLength, rows * columns);
  const perBlock = groupCount / (columns / blockSize);
  const blocks = (rows * columns) / blockSize;
  for (let block = 0; block < blocks; block++) {
    type.packBlock(fitted, block * blockSize, block * perBlock, out, block * blockByteLength);
  }
}

/**
 * Rows `[rowStart, rowEnd)` of a stored weight as blocks of a type: what `gridToBlocks` makes of its grid. `out` holds
 * exactly the rows.
 * @throws UsageError as `gridToBlocks`
 */
export function weightToBlocks(
  type: GgufGridType,
  weight: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): void {
  checkRows(rowStart, rowEnd, weight.rows);
  gridToBlocks(type, weight.toGrid(rowStart, rowEnd), out);
}

/**
 * Whole rows of blocks as a grid, where there is one: always for types without a minimum of their own, for the others
 * where each minimum is a whole multiple of its scale.
 * @throws UsageError when the bytes are not whole rows
 */
export function blocksToGrid(type: GgufGridType, bytes: Uint8Array, rows: number, columns: number): GridFit {
  const { blockSize, blockByteLength, groupSize } = type;
  if (columns % blockSize !== 0) {
    throw new UsageError(`Rows of ${columns} weights are not whole blocks of ${blockSize}.`);
  }
  const blocks = checkBlockLengths(type, bytes.byteLength, rows * columns);
  const groupCount = columns / groupSize;
  const grid: Grid = {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    codes: new Uint8Array(rows * columns),
    scales: new Float32Array(rows * groupCount),
    zeros: new Int16Array(rows * groupCount),
    rounding: "none",
  };
  const perBlock = blockSize / groupSize;
  for (let block = 0; block < blocks; block++) {
    const misfit = type.unpackBlock(
      bytes,
      block * blockByteLength,
      grid,
      block * blockSize,
      block * perBlock,
    );
    if (misfit !== undefined) return { misfit };
  }
  return { grid };
}
