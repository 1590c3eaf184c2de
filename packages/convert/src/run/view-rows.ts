/** Rows of a planned weight as integers, whatever order they come in: no weight is turned into a float. */
import { ConversionError } from "@requant/core";
import { type IntegerView, selectRows } from "@requant/core/view";
import { blockRowsByteLength, type GgufViewType, viewToBlocks } from "@requant/gguf";
import { rowOrigins, type WeightInput } from "@requant/models";
import type { Model } from "../model/model.ts";

export interface ViewTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly inputs: readonly WeightInput[];
}

export interface ViewBand {
  /** First output row of `view`. */
  readonly start: number;
  readonly view: IntegerView;
}

export interface ViewRows {
  /** Output rows `[start, end)`, in order, as one view per source tensor that they come from. */
  read(start: number, end: number): Promise<ViewBand[]>;
}

/** Only for weights whose every row is one stored row. */
export function viewRows(model: Model, task: ViewTask): ViewRows {
  const runsOf = sourceRuns(model, task);
  return {
    async read(start, end) {
      const bands: ViewBand[] = [];
      for (const { start: row, tensor, rows } of runsOf(start, end)) {
        bands.push({ start: row, view: await readOrdered(model, tensor, rows, task.name) });
      }
      return bands;
    },
  };
}

/** The same rows as blocks, `[start, end)` at a time; `out` gives the array for rows from `from` on, each time it is asked. */
export interface BlockRows {
  write(start: number, end: number, out: (from: number, to: number) => Uint8Array): Promise<void>;
}

/** As `viewRows`. */
export function blockRows(model: Model, task: ViewTask, type: GgufViewType): BlockRows {
  const runsOf = sourceRuns(model, task);
  const rowByteLength = blockRowsByteLength(type, 1, task.shape.at(-1) ?? 1);
  let unordered = new Uint8Array(0);
  return {
    async write(start, end, out) {
      for (const { start: row, tensor, rows } of runsOf(start, end)) {
        const target = (): Uint8Array => out(row, row + rows.length);
        const { first, last, inOrder } = spanOf(rows);
        if (model.tensor(tensor).linear === undefined || !(inOrder || isDense(rows.length, first, last))) {
          viewToBlocks(type, await readOrdered(model, tensor, rows, task.name), target());
        } else if (inOrder) {
          await model.readBlocks(tensor, type, first, last + 1, target);
        } else {
          const byteLength = (last + 1 - first) * rowByteLength;
          if (unordered.length < byteLength) unordered = new Uint8Array(byteLength);
          const blocks = unordered.subarray(0, byteLength);
          await model.readBlocks(tensor, type, first, last + 1, () => blocks);
          const bytes = target();
          rows.forEach((source, i) => {
            const from = (source - first) * rowByteLength;
            bytes.set(blocks.subarray(from, from + rowByteLength), i * rowByteLength);
          });
        }
      }
    },
  };
}

/** Output rows from `start` on, and the rows of one stored tensor that they are. */
interface SourceRun {
  readonly start: number;
  readonly tensor: string;
  readonly rows: readonly number[];
}

function sourceRuns(model: Model, task: ViewTask): (start: number, end: number) => SourceRun[] {
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  return (start, end) => {
    const runs: SourceRun[] = [];
    for (let row = start; row < end; ) {
      const { tensor } = originOf(row);
      const rows: number[] = [];
      while (row + rows.length < end) {
        const origin = originOf(row + rows.length);
        if (origin.tensor !== tensor) break;
        rows.push(origin.row);
      }
      runs.push({ start: row, tensor, rows });
      row += rows.length;
    }
    return runs;
  };
}

function spanOf(rows: readonly number[]): { first: number; last: number; inOrder: boolean } {
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  let inOrder = true;
  rows.forEach((row, i) => {
    first = Math.min(first, row);
    last = Math.max(last, row);
    if (row !== (rows[0] ?? 0) + i) inOrder = false;
  });
  return { first, last, inOrder };
}

/** True where reading all from the first to the last is worth it. */
function isDense(count: number, first: number, last: number): boolean {
  return last - first < 4 * count + SPARE_ROWS;
}

/** Rows that lie close together are read at once and put in order afterwards: the rotary order of q and k. */
async function readOrdered(
  model: Model,
  tensor: string,
  rows: readonly number[],
  name: string,
): Promise<IntegerView> {
  const { first, last, inOrder } = spanOf(rows);
  if (inOrder || isDense(rows.length, first, last)) {
    const view = await readView(model, tensor, first, last + 1, name);
    return inOrder ? view : selectRows(view, rows.length, (i) => (rows[i] ?? first) - first);
  }
  // far apart: halves, each of which may lie closer together
  const middle = rows.length >> 1;
  const left = await readOrdered(model, tensor, rows.slice(0, middle), name);
  const right = await readOrdered(model, tensor, rows.slice(middle), name);
  return joinBands(left, right);
}

const SPARE_ROWS = 256;

function joinBands(left: IntegerView, right: IntegerView): IntegerView {
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

async function readView(
  model: Model,
  tensor: string,
  start: number,
  end: number,
  name: string,
): Promise<IntegerView> {
  const { view, misfit } = await model.readView(tensor, start, end);
  if (view !== undefined) return view;
  throw new ConversionError(
    `rows ${start} to ${end} of ${tensor} are no integers times a scale: ${misfit.reason}`,
    {
      tensor: name,
      hint: misfit.hint,
    },
  );
}
