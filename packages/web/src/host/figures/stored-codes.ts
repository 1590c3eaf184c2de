/** What a weight stores: its codes and their scales, band by band. */
import type { Model, RowBand } from "@requant/convert";
import { elementCount, rowCount, rowLength } from "@requant/core";
import { isLevelView, type LevelView, levelViewOf } from "@requant/core/view";
import { viewSourceByName } from "@requant/gguf";
import { CodeCounter, type CodeCounts } from "./codes.ts";
import { ScaleCounter, type ScaleFigures } from "./scales.ts";

export interface StoredCodes {
  readonly codes: readonly CodeCounts[];
  readonly scales: ScaleFigures;
  /** The width of each column's codes, where columns differ in that. */
  readonly bitsOfColumn: Uint8Array<ArrayBuffer> | undefined;
  /** The code that means 0: smallest and largest; undefined where the encoding has none. */
  readonly zeroPoints: readonly [smallest: number, largest: number] | undefined;
}

/** Why a weight has no codes to count. */
export interface NoCodes {
  readonly reason: string | undefined;
}

const BAND_WEIGHTS = 1024 * 1024;

/** @param turn awaited after each band */
export async function storedCodes(
  model: Model,
  name: string,
  turn: (rows: RowBand) => Promise<void>,
): Promise<StoredCodes | NoCodes> {
  const { shape, encoding } = model.tensor(name);
  const weight = model.weight(name);
  const [rows, columns] = [rowCount(shape), rowLength(shape)];
  if (elementCount(shape) === 0) return { reason: undefined };
  const examination = await weight.packed?.examine();
  const step = Math.max(1, Math.floor(BAND_WEIGHTS / columns));
  const codeCount = codesOf(encoding, examination?.facts?.maxCode);
  let counters: { codes: CodeCounter; scales: ScaleCounter } | undefined;
  let bitsOfColumn: Uint8Array<ArrayBuffer> | undefined;
  let [smallest, largest] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let start = 0; start < rows; start += step) {
    const end = Math.min(rows, start + step);
    const reformed = await weight.readView(start, end);
    if (reformed.view === undefined) return { reason: reformed.misfit.reason };
    const view = isLevelView(reformed.view) ? reformed.view : levelViewOf(reformed.view);
    if (counters === undefined) {
      if (examination?.settings.bitsVary === true) bitsOfColumn = widthsOf(view);
      counters = { codes: new CodeCounter(columns, bitsOfColumn), scales: new ScaleCounter(rows, view) };
    }
    counters.codes.add(view);
    counters.scales.add(view, start);
    if (view.offset.kind === "zeros") {
      for (const zero of view.offset.values) {
        if (zero < smallest) smallest = zero;
        if (zero > largest) largest = zero;
      }
    }
    await turn({ start, end });
  }
  if (counters === undefined) return { reason: undefined };
  return {
    codes: counters.codes.result(codeCount),
    scales: counters.scales.figures(),
    bitsOfColumn,
    zeroPoints: smallest <= largest ? [smallest, largest] : undefined,
  };
}

/** How many codes an encoding has, where that is known. */
function codesOf(encoding: string, largestCode: number | undefined): number | undefined {
  const last = largestCode ?? viewSourceByName(encoding)?.view.maxCode;
  return last === undefined ? undefined : last + 1;
}

/** Where widths vary, each column's codes are symmetric within their own width: the code that means 0 is half of the range. */
function widthsOf({ columns, offset }: LevelView): Uint8Array<ArrayBuffer> | undefined {
  if (offset.kind !== "zeros" || offset.span.kind !== "columns") return undefined;
  const { groupOfColumn } = offset.span;
  const zeros = offset.values;
  return Uint8Array.from({ length: columns }, (_, column) => Math.log2(zeros[groupOfColumn[column]!]!) + 1);
}
