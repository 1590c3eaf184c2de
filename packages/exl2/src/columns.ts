/** The columns of a weight in the order in which EXL2 stores them, and the weights of a group of them. */
import { ConversionError } from "@requant/core";
import type { Exl2Recipe } from "./recipes.ts";
import type { GroupWeights } from "./search-scales.ts";

export interface OrderedColumns {
  /** `order[stored]` is the column of W. */
  readonly order: Int32Array;
  /** In stored order. */
  readonly importance: Float32Array | undefined;
}

/** By what columns are put in order. */
interface ColumnWeights {
  readonly importance: Float32Array | undefined;
  /** Of `addEnergies`, where `needsEnergies` says so. */
  readonly energies: Float32Array | undefined;
}

/** Whether the squares of the weights decide which columns come first. */
export function needsEnergies({ widths }: Exl2Recipe, importance: Float32Array | undefined): boolean {
  return widths.length > 1 && importance === undefined;
}

/** Adds the squares of some rows of weights to the sums of their columns, each sum rounded to f32. */
export function addEnergies(values: Float32Array, energies: Float32Array): void {
  const columns = energies.length;
  for (let at = 0; at < values.length; ) {
    for (let column = 0; column < columns; column++, at++) {
      energies[column] = energies[column]! + values[at]! ** 2;
    }
  }
}

/** Those that matter most first, where the recipe has several widths. */
export function columnsInOrder(
  columns: number,
  { widths }: Exl2Recipe,
  { importance, energies }: ColumnWeights,
): OrderedColumns {
  const order = Int32Array.from({ length: columns }, (_, column) => column);
  const weight = importance ?? energies;
  if (widths.length > 1 && weight !== undefined) order.sort((a, b) => weight[b]! - weight[a]! || a - b);
  const costs =
    importance === undefined ? undefined : Float32Array.from(order, (column) => importance[column]!);
  return { order, importance: costs };
}

/** The reverse: `invperm[column of W]` is the stored row. */
export function invertOrder(order: Int32Array): Int32Array {
  const invperm = new Int32Array(order.length);
  for (let stored = 0; stored < order.length; stored++) invperm[order[stored]!] = stored;
  return invperm;
}

/** The columns of a group alone, in stored order, in `band`. */
export function bandOf(
  { values, rows, width, start, size, bits, importance }: GroupWeights,
  order: Int32Array,
  band: Float32Array,
): GroupWeights {
  const own = order.subarray(start, start + size);
  for (let row = 0, at = 0; row < rows; row++) {
    const from = row * width;
    for (let i = 0; i < size; i++, at++) band[at] = values[from + own[i]!]!;
  }
  const costs = importance?.subarray(start, start + size);
  return { values: band, rows, width: size, start: 0, size, bits, importance: costs };
}

export function areFinite(values: Float32Array): boolean {
  for (let i = 0; i < values.length; i++) if (!Number.isFinite(values[i]!)) return false;
  return true;
}

/** In the order of rows, not of groups, so that the error names the first such weight. */
export function refuseNonFinite(values: Float32Array, columns: number): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (Number.isFinite(value)) continue;
    throw new ConversionError(
      `Row ${Math.floor(i / columns)} has a weight that is ${value}; only finite weights can be quantized.`,
      { hint: "Keep this tensor in a float type.", index: i },
    );
  }
}
