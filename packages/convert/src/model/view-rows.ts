/** Rows of a planned weight as views, whatever order they come in: no weight is turned into a float. */
import { ConversionError } from "@requant/core";
import type { OpenedWeight } from "@requant/core/format";
import {
  type IntegerView,
  integerView,
  isLevelView,
  type StoredView,
  selectLevelRows,
  selectRows,
  stackViews,
} from "@requant/core/view";
import { blockRowsByteLength, type GgufViewType, viewToBlocks, weightToBlocks } from "@requant/gguf";
import { type HiddenGrids, viewOfRows } from "./hidden-grids.ts";
import type { Model } from "./model.ts";
import { type RowTask, tensorRuns } from "./row-runs.ts";
import { viewOf } from "./stored-weight.ts";

export interface ViewBand {
  /** First output row of `view`. */
  readonly start: number;
  readonly view: StoredView;
}

export interface ViewRows {
  /** Output rows `[start, end)`, in order, as one view per run of rows that lie together. */
  read(start: number, end: number): Promise<ViewBand[]>;
}

/** Only for weights whose every row is one stored row. */
export function viewRows(model: Model, task: RowTask): ViewRows {
  const runsOf = tensorRuns(model, task);
  const source = { model, grids: task.grids };
  return {
    async read(start, end) {
      const bands: ViewBand[] = [];
      for (const { start: row, tensor, rows } of runsOf(start, end)) {
        for (const band of await readOrdered(source, { tensor }, rows, row)) bands.push(band);
      }
      return bands;
    },
  };
}

/** The same rows as integers; only where every band has them. @throws ConversionError that says why one has none */
export function integerRows(
  model: Model,
  task: RowTask,
): { read(start: number, end: number): Promise<IntegerView> } {
  const rows = viewRows(model, task);
  return {
    async read(start, end) {
      const bands = await rows.read(start, end);
      return stackViews(
        bands.map(({ view: stored }) => {
          const { view, misfit } = integerView(stored);
          if (view !== undefined) return view;
          throw new ConversionError(
            `Rows ${start} to ${end} are no integers times a scale: ${misfit.reason}.`,
            {
              tensor: task.name,
              hint: misfit.hint,
            },
          );
        }),
      );
    },
  };
}

/** The same rows as blocks, `[start, end)` at a time; `out` gives the array for rows from `from` on, each time it is asked. */
export interface BlockRows {
  write(start: number, end: number, out: (from: number, to: number) => Uint8Array): Promise<void>;
}

/** What rows become: blocks of a type, with or without the scale of the whole weight. */
export interface BlockTarget {
  readonly type: GgufViewType;
  readonly unscaled?: boolean | undefined;
}

/** As `viewRows`. */
export function blockRows(model: Model, task: RowTask, { type, unscaled = false }: BlockTarget): BlockRows {
  const runsOf = tensorRuns(model, task);
  const rowByteLength = blockRowsByteLength(type, 1, task.shape.at(-1) ?? 1);
  let unordered = new Uint8Array(0);
  return {
    async write(start, end, out) {
      for (const { start: row, tensor, rows } of runsOf(start, end)) {
        const target = (): Uint8Array => out(row, row + rows.length);
        const { first, last, inOrder } = spanOf(rows);
        const { packed } = model.weight(tensor);
        if (packed === undefined || !(inOrder || isDense(rows.length, first, last))) {
          const source = { model, grids: task.grids };
          for (const { start: from, view } of await readOrdered(source, { tensor, unscaled }, rows, row)) {
            viewToBlocks(type, view, out(from, from + view.rows));
          }
        } else if (inOrder) {
          await packed.use(last + 1, (weight) =>
            toBlocks({ type, unscaled }, weight, [first, last + 1], target()),
          );
        } else {
          const byteLength = (last + 1 - first) * rowByteLength;
          if (unordered.length < byteLength) unordered = new Uint8Array(byteLength);
          const blocks = unordered.subarray(0, byteLength);
          await packed.use(last + 1, (weight) =>
            toBlocks({ type, unscaled }, weight, [first, last + 1], blocks),
          );
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

/** @throws ConversionError where the weight has no view */
function toBlocks(
  { type, unscaled }: BlockTarget,
  weight: OpenedWeight,
  [start, end]: readonly [start: number, end: number],
  out: Uint8Array,
): void {
  if (weight.toView !== undefined) {
    weightToBlocks(type, weight, start, end, out);
    return;
  }
  const view = viewOf(weight, start, end, unscaled);
  if (view === undefined) throw new ConversionError("The weight has no view.");
  viewToBlocks(type, view, out);
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

interface ViewSource {
  readonly model: Model;
  readonly grids: HiddenGrids | undefined;
}

/** Rows that lie close together are read at once and put in order afterwards: the rotary order of q and k. */
async function readOrdered(
  source: ViewSource,
  stored: { readonly tensor: string; readonly unscaled?: boolean },
  rows: readonly number[],
  start: number,
): Promise<ViewBand[]> {
  const { tensor, unscaled } = stored;
  const { first, last, inOrder } = spanOf(rows);
  if (inOrder || isDense(rows.length, first, last)) {
    const { view, misfit } =
      unscaled === true
        ? await source.model.weight(tensor).readView(first, last + 1, unscaled)
        : await viewOfRows(source.model, tensor, [first, last + 1], source.grids);
    if (view === undefined)
      throw new ConversionError(`The weight has no view: ${misfit.reason}.`, { tensor });
    return [{ start, view: inOrder ? view : selected(view, rows, first) }];
  }
  // far apart: halves, each of which may lie closer together
  const middle = rows.length >> 1;
  const left = await readOrdered(source, stored, rows.slice(0, middle), start);
  const right = await readOrdered(source, stored, rows.slice(middle), start + middle);
  return left.concat(right);
}

function selected(view: StoredView, rows: readonly number[], first: number): StoredView {
  const sourceRow = (i: number): number => (rows[i] ?? first) - first;
  return isLevelView(view)
    ? selectLevelRows(view, rows.length, sourceRow)
    : selectRows(view, rows.length, sourceRow);
}

const SPARE_ROWS = 256;
