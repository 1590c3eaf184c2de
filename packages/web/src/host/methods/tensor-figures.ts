import { type TensorStatistics, tensorStatistics } from "@requant/convert";
import { rowCount, rowLength } from "@requant/core";
import type { Control } from "../control.ts";
import { ColumnCounter, type ColumnFigures } from "../figures/columns.ts";
import { type NoCodes, type StoredCodes, storedCodes } from "../figures/stored-codes.ts";
import { modelNumbered } from "../models.ts";
import { transferring } from "../transfer.ts";

/** All figures of one tensor. */
export interface TensorFigures {
  readonly statistics: TensorStatistics;
  readonly columns: ColumnFigures;
  readonly stored: StoredCodes | NoCodes;
}

const HISTOGRAM_BARS = 64;
const PASSES = ["range", "histogram", "codes"] as const;

/** Lets the host take a message, such as one that stops it, while what it reads is in memory. */
function takeMessages(): Promise<void> {
  return new Promise((done) => setTimeout(done, 0));
}

/** Reads a whole tensor: its values twice, its codes once. Progress is a share of 1. */
export async function tensorFigures(
  { id, name }: { readonly id: number; readonly name: string },
  { signal, progress }: Control,
): Promise<TensorFigures> {
  const model = modelNumbered(id);
  const { shape } = model.tensor(name);
  const columns = new ColumnCounter(rowLength(shape));
  const turn = async (end: number, pass: (typeof PASSES)[number]): Promise<void> => {
    progress((PASSES.indexOf(pass) + end / rowCount(shape)) / PASSES.length);
    await takeMessages();
    signal.throwIfAborted();
  };
  const statistics = await tensorStatistics(model, name, {
    bins: HISTOGRAM_BARS,
    signal,
    onRows: (values, { end }, pass) => {
      if (pass === "range") columns.add(values);
      return turn(end, pass);
    },
  });
  const stored = await storedCodes(model, name, ({ end }) => turn(end, "codes"));
  const byColumn = columns.figures();
  const moved = [byColumn.rms.buffer, byColumn.largest.buffer];
  if ("scales" in stored) moved.push(stored.scales.cells.values.buffer, stored.scales.groupOfColumn.buffer);
  return transferring({ statistics, columns: byColumn, stored }, moved);
}
