/** Grids that plain floats lie on: found in one pass over the rows of a tensor, and used as the view that the tensor lacks. */
import { rowCount, rowLength } from "@requant/core";
import { allocateKernelBuffer, type KernelBuffer } from "@requant/core/kernels";
import {
  type FoundGrid,
  GridSearch,
  gridView,
  type HiddenGrid,
  type HidingType,
  isLevelView,
  PROBE_ROWS,
  type Reformed,
  type StoredView,
  selectLevelRows,
  selectRows,
} from "@requant/core/view";
import type { Model } from "./model.ts";
import { rowBands } from "./row-bands.ts";

/** The grids of stored tensors, by their names. */
export type HiddenGrids = Readonly<Record<string, HiddenGrid>>;

/** f32 bytes that are searched at a time: they fit a core's cache. */
const BAND = 256 * 1024;

const HIDING: readonly string[] = ["F32", "BF16", "F16"] satisfies HidingType[];

function isHiding(encoding: string): encoding is HidingType {
  return HIDING.includes(encoding);
}

/** True for a tensor that a grid is looked for in: a matrix of floats, or a stack of them. */
export function mayHideGrid({
  shape,
  encoding,
}: {
  readonly shape: readonly number[];
  readonly encoding: string;
}): boolean {
  return isHiding(encoding) && shape.length >= 2 && rowLength(shape) > 1 && rowCount(shape) > 0;
}

/** The grid that reproduces every float of a tensor; undefined where there is none, which the first rows nearly always show. */
export async function findGrid(
  model: Model,
  name: string,
  signal?: AbortSignal,
): Promise<FoundGrid | undefined> {
  const { shape, encoding } = model.tensor(name);
  if (!isHiding(encoding) || !mayHideGrid({ shape, encoding })) return undefined;
  const [rows, columns] = [rowCount(shape), rowLength(shape)];
  const memory = rowMemory();
  const read = async (start: number, end: number): Promise<Float32Array> => {
    signal?.throwIfAborted();
    const length = (end - start) * columns;
    await model.weight(name).readRows(start, end, memory.floats(length));
    // a view that is taken before a wait may be of memory that has moved
    return memory.floats(length);
  };
  const search = new GridSearch(rows, columns, encoding);
  try {
    if (!search.probe(await read(0, Math.min(PROBE_ROWS, rows)))) return undefined;
    while (search.begin()) {
      for (const { start, end } of rowBands(shape, { byteLength: BAND, multiple: search.bandMultiple })) {
        if (!search.add(await read(start, end))) break;
      }
      const found = search.end();
      if (found !== "again") return found;
    }
    return undefined;
  } finally {
    memory.release();
  }
}

interface RowMemory {
  floats(length: number): Float32Array;
  release(): void;
}

/** The kernels' own memory for one band of rows after another, so that nothing is copied on the way. */
function rowMemory(): RowMemory {
  let buffer: KernelBuffer | undefined;
  return {
    floats(length) {
      if (buffer === undefined || buffer.byteLength < 4 * length) {
        buffer?.release();
        buffer = allocateKernelBuffer(4 * length);
      }
      return buffer.floats(0, length);
    },
    release() {
      buffer?.release();
    },
  };
}

/** Rows `[start, end)` of a stored tensor as a view: its own, or that of the grid that was found in it. */
export async function viewOfRows(
  model: Model,
  tensor: string,
  [start, end]: readonly [start: number, end: number],
  grids: HiddenGrids = {},
): Promise<Reformed<StoredView>> {
  const grid = grids[tensor];
  if (grid === undefined) return model.weight(tensor).readView(start, end);
  const { shape, encoding } = model.tensor(tensor);
  if (!isHiding(encoding)) return { misfit: { reason: `${encoding} has no hidden grid` } };
  const columns = rowLength(shape);
  // rows of one block share a scale, which all of them tell
  const first = start - (start % grid.blockRows);
  const last = Math.min(Math.ceil(end / grid.blockRows) * grid.blockRows, rowCount(shape));
  const values = new Float32Array((last - first) * columns);
  await model.weight(tensor).readRows(first, last, values);
  const view = gridView(values, columns, encoding, grid);
  if (first === start && last === end) return { view };
  const sourceRow = (row: number): number => row + start - first;
  return {
    view: isLevelView(view)
      ? selectLevelRows(view, end - start, sourceRow)
      : selectRows(view, end - start, sourceRow),
  };
}
