/** Rows of a planned weight as integers, whatever order they come in: no weight is turned into a float. */
import { ConversionError, type Grid, selectRows } from "@requant/core";
import { rowOrigins, type WeightInput } from "@requant/models";
import type { Model } from "../model.ts";

export interface GridTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

export interface GridBand {
  /** First output row of `grid`. */
  readonly start: number;
  readonly grid: Grid;
}

export interface GridRows {
  /** Output rows `[start, end)`, in order, as one grid per source tensor that they come from. */
  read(start: number, end: number): Promise<GridBand[]>;
}

/** Only for weights whose every row is one stored row. */
export function gridRows(model: Model, task: GridTask): GridRows {
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  return {
    async read(start, end) {
      const bands: GridBand[] = [];
      for (let row = start; row < end; ) {
        const { tensor } = originOf(row);
        const rows: number[] = [];
        while (row + rows.length < end) {
          const origin = originOf(row + rows.length);
          if (origin.tensor !== tensor) break;
          rows.push(origin.row);
        }
        bands.push({ start: row, grid: await readOrdered(model, tensor, rows, task.name) });
        row += rows.length;
      }
      return bands;
    },
  };
}

/** Rows that lie close together are read at once and put in order afterwards: the rotary order of q and k. */
async function readOrdered(
  model: Model,
  tensor: string,
  rows: readonly number[],
  name: string,
): Promise<Grid> {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  let inOrder = true;
  rows.forEach((row, i) => {
    first = Math.min(first, row);
    last = Math.max(last, row);
    if (row !== (rows[0] ?? 0) + i) inOrder = false;
  });
  if (inOrder || last - first < 4 * rows.length + SPARE_ROWS) {
    const grid = await readGrid(model, tensor, first, last + 1, name);
    return inOrder ? grid : selectRows(grid, rows.length, (i) => (rows[i] ?? first) - first);
  }
  // far apart: halves, each of which may lie closer together
  const middle = rows.length >> 1;
  const left = await readOrdered(model, tensor, rows.slice(0, middle), name);
  const right = await readOrdered(model, tensor, rows.slice(middle), name);
  return joinBands(left, right);
}

const SPARE_ROWS = 256;

function joinBands(left: Grid, right: Grid): Grid {
  const codes = new Uint8Array(left.codes.length + right.codes.length);
  codes.set(left.codes);
  codes.set(right.codes, left.codes.length);
  const scales = new Float32Array(left.scales.length + right.scales.length);
  scales.set(left.scales);
  scales.set(right.scales, left.scales.length);
  const zeros = new Int16Array(left.zeros.length + right.zeros.length);
  zeros.set(left.zeros);
  zeros.set(right.zeros, left.zeros.length);
  return { ...left, rows: left.rows + right.rows, codes, scales, zeros };
}

async function readGrid(
  model: Model,
  tensor: string,
  start: number,
  end: number,
  name: string,
): Promise<Grid> {
  const { grid, misfit } = await model.readGrid(tensor, start, end);
  if (grid !== undefined) return grid;
  throw new ConversionError(
    `rows ${start} to ${end} of ${tensor} are no integers times a scale: ${misfit.reason}`,
    {
      tensor: name,
      hint: misfit.hint,
    },
  );
}
