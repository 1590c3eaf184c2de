import { tensorValues } from "@requant/convert";
import { rowLength, UsageError } from "@requant/core";
import type { Control } from "../control.ts";
import type { Cells } from "../figures/scales.ts";
import { modelNumbered } from "../models.ts";
import { transferring } from "../transfer.ts";

interface RowsInput {
  readonly id: number;
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** Each cell stands for `step` × `step` weights, and is the one of largest magnitude. */
  readonly step: number;
}

/** Rows of a tensor for a picture. No other rows are read. */
export async function tensorRows(
  { id, name, start, end, step }: RowsInput,
  { signal }: Control,
): Promise<Cells> {
  if (!(Number.isSafeInteger(step) && step > 0)) {
    throw new UsageError(`A cell cannot stand for ${step} × ${step} weights.`, { tensor: name });
  }
  const model = modelNumbered(id);
  const columns = rowLength(model.tensor(name).shape);
  const width = Math.ceil(columns / step);
  const height = Math.ceil((end - start) / step);
  const cells: Cells = { width, height, values: new Float32Array(width * height) };
  let row = 0;
  for await (const values of tensorValues(model, name, { rows: { start, end }, signal })) {
    for (let at = 0; at < values.length; at += columns, row++) {
      addRow(values.subarray(at, at + columns), step, cells, Math.floor(row / step) * width);
    }
  }
  return transferring(cells, [cells.values.buffer]);
}

function addRow(row: Float32Array, step: number, { values }: Cells, from: number): void {
  if (step === 1) {
    values.set(row, from);
    return;
  }
  for (let column = 0; column < row.length; column++) {
    const cell = from + Math.floor(column / step);
    const value = row[column]!;
    // one NaN among the weights of a cell shows
    if (Number.isNaN(value) || Math.abs(value) > Math.abs(values[cell]!)) values[cell] = value;
  }
}
