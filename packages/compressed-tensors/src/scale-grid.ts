/** Which weights share a scale, by the shape of weight_scale (compressed-tensors, quantization/lifecycle/forward.py). */
import { type ErrorPlace, FormatError } from "@requant/core";
import type { LinearPart } from "@requant/core/format";

/**
 * The shape of weight_scale. "scalar" [] and "one" [1]: one for the tensor; "rows" [N]; "groups" [N, G]: groups of columns
 * of each row; "blocks": rectangles.
 * @useDeclaredType
 */
export type ScaleShape = (typeof SCALE_SHAPES)[number];

export const SCALE_SHAPES = ["scalar", "one", "rows", "groups", "blocks"] as const;

/** Rectangles of weights that share a scale, the last of a row or column may be short. */
export interface ScaleGrid {
  readonly scaleShape: ScaleShape;
  readonly blockRows: number;
  readonly blockColumns: number;
}

interface Size {
  readonly rows: number;
  readonly columns: number;
}

/** What the configuration says about it. */
export interface GridClaims {
  /** −1: all columns. */
  readonly groupSize?: number | undefined;
  readonly block?: readonly [rows: number, columns: number] | undefined;
}

/** @throws FormatError for a shape of scales that does not divide the weight */
export function readScaleGrid(
  { shape, suffix }: Pick<LinearPart, "shape" | "suffix">,
  { rows, columns }: Size,
  claims: GridClaims,
  place: ErrorPlace,
): ScaleGrid {
  const [first = 1, second = 1] = shape;
  const whole = { blockRows: rows, blockColumns: columns };
  const byRow = { blockRows: 1, blockColumns: columns };
  if (shape.length === 0) return { scaleShape: "scalar", ...whole };
  if (shape.length === 1 && first === 1) return { scaleShape: "one", ...whole };
  if (shape.length === 1 && first === rows) return { scaleShape: "rows", ...byRow };
  if (shape.length === 2) {
    const [blockRows, blockColumns] = claims.block ?? [0, 0];
    if (Math.ceil(rows / blockRows) === first && Math.ceil(columns / blockColumns) === second) {
      return { scaleShape: "blocks", blockRows, blockColumns };
    }
    const size = first === rows ? groupSize(columns, second, claims.groupSize) : undefined;
    if (size !== undefined) return { scaleShape: "groups", blockRows: 1, blockColumns: size };
    const derived = [blockSize(rows, first), blockSize(columns, second)];
    if (derived[0] !== undefined && derived[1] !== undefined) {
      return { scaleShape: "blocks", blockRows: derived[0], blockColumns: derived[1] };
    }
  }
  throw new FormatError(
    `The part ${suffix} is [${shape.join(", ")}]; for a weight of [${rows}, ${columns}] one scale, one for each row, [${rows}, groups] or blocks were expected.`,
    place,
  );
}

function groupSize(columns: number, count: number, claimed = -1): number | undefined {
  if (count === 1) return columns;
  if (claimed > 0 && Math.ceil(columns / claimed) === count) return claimed;
  return count > 0 && columns % count === 0 ? columns / count : undefined;
}

/** The smallest power of two of which so many blocks cover a side. */
function blockSize(side: number, count: number): number | undefined {
  for (let size = 1; size < 2 * side; size *= 2) {
    const blocks = Math.ceil(side / size);
    if (blocks === count) return size;
    if (blocks < count) return undefined;
  }
  return undefined;
}

/** Groups of columns of each row. */
export function gridGroupCount({ columns }: Size, { blockColumns }: ScaleGrid): number {
  return Math.ceil(columns / blockColumns);
}

/** The shape that weight_scale has. */
export function gridShape(size: Size, grid: ScaleGrid): number[] {
  const shapes: Readonly<Record<ScaleShape, readonly number[]>> = {
    scalar: [],
    one: [1],
    rows: [size.rows],
    groups: [size.rows, gridGroupCount(size, grid)],
    blocks: [Math.ceil(size.rows / grid.blockRows), gridGroupCount(size, grid)],
  };
  return [...shapes[grid.scaleShape]];
}

/** One number per row and group of columns, `out[row × groups + group]`, from one per rectangle. */
export function expandGrid<Numbers extends Float32Array | Int16Array>(
  stored: Numbers,
  size: Size,
  grid: ScaleGrid,
  out: Numbers,
): Numbers {
  const groups = gridGroupCount(size, grid);
  for (let row = 0, at = 0; row < size.rows; row++) {
    const from = Math.floor(row / grid.blockRows) * groups;
    for (let group = 0; group < groups; group++, at++) out[at] = stored[from + group]!;
  }
  return out;
}
