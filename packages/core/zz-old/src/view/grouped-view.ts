/** Level views with their numbers multiplied out, one per row and group; and from there to integers, where that is exact. */
import { type IntegerView, sequentialGroups } from "./integer-view.ts";
import {
  checkLevelView,
  commonGroups,
  isLevelView,
  type LevelView,
  type StoredView,
  spanIndex,
} from "./level-view.ts";
import type { Misfit } from "./requirement.ts";

/** A level view with one scale and one offset per row and group of columns. */
export interface GroupedView {
  readonly rows: number;
  readonly columns: number;
  readonly groupCount: number;
  readonly groupOfColumn: Int32Array;
  readonly codes: Uint8Array;
  readonly levels: "integer" | Float32Array;
  /** `scales[row × groupCount + group]`. */
  readonly scales: Float32Array;
  /** In the same order as `scales`; a view has `zeros` or `biases` or neither. */
  readonly zeros?: Int16Array | undefined;
  readonly biases?: Float32Array | undefined;
  readonly rounding: "none" | "f16";
}

/** Integer codes with a bias for each group: value = scale × code + bias. What Q4_1 and Q5_1 store. */
export interface BiasedView extends Omit<GroupedView, "levels" | "zeros"> {
  readonly biases: Float32Array;
}

/** The other form of a view, or why there is none. */
export type Reformed<View> =
  | { readonly view: View; readonly misfit?: undefined }
  | { readonly view?: undefined; readonly misfit: Misfit };

/** Multiplies the factors, each product rounded to f32, as the view's own formula says. @throws UsageError for a view that is not valid */
export function groupedView(view: LevelView): Reformed<GroupedView> {
  checkLevelView(view);
  const { rows, columns, codes, levels, factors, offset, rounding } = view;
  const { groupOfColumn, groupCount } = commonGroups(view);
  const firstColumns = firstColumnsOf(groupOfColumn, groupCount);
  const scales = new Float32Array(rows * groupCount);
  const zeros = offset.kind === "zeros" ? new Int16Array(rows * groupCount) : undefined;
  const biases = offset.kind === "bias" ? new Float32Array(rows * groupCount) : undefined;
  for (let row = 0, at = 0; row < rows; row++) {
    for (let group = 0; group < groupCount; group++, at++) {
      const column = firstColumns[group]!;
      let product = 1;
      for (const { values, span } of factors) {
        product = Math.fround(product * values[spanIndex(span, row, column, columns)]!);
      }
      if (!Number.isFinite(product)) {
        return { misfit: { reason: `a scale of row ${row} is ${product}, not a finite number` } };
      }
      scales[at] = product;
      if (offset.kind === "none") continue;
      const own = offset.values[spanIndex(offset.span, row, column, columns)]!;
      if (!Number.isFinite(own)) {
        return { misfit: { reason: `an offset of row ${row} is ${own}, not a finite number` } };
      }
      if (zeros !== undefined) zeros[at] = own;
      else if (biases !== undefined) biases[at] = own;
    }
  }
  return {
    view: { rows, columns, groupCount, groupOfColumn, codes, levels, scales, zeros, biases, rounding },
  };
}

function firstColumnsOf(groupOfColumn: Int32Array, groupCount: number): Int32Array {
  const first = new Int32Array(groupCount);
  for (let column = groupOfColumn.length - 1; column >= 0; column--) first[groupOfColumn[column]!] = column;
  return first;
}

/** The compact form of a view: the same values, bit for bit (but for the sign of a zero), or why there is none. */
export function integerView(view: StoredView): Reformed<IntegerView> {
  if (!isLevelView(view)) return { view };
  const grouped = groupedView(view);
  return grouped.view === undefined ? grouped : integersOf(grouped.view);
}

/** As `integerView`. */
export function integersOf(view: GroupedView): Reformed<IntegerView> {
  const { rows, columns, groupCount, groupOfColumn, codes, levels, scales, biases, rounding } = view;
  if (levels !== "integer") return tableAsIntegers(view, levels);
  if (biases !== undefined) return biasesAsZeros(view, biases);
  const zeros = view.zeros ?? new Int16Array(scales.length);
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding } };
}

/** The most steps per unit that are tried: a table with finer steps would need more than 8 bits per code. */
const MOST_STEPS = 2 ** 16;

/** Levels that are multiples of a power of two, at most 255 of them apart, are codes around a zero point. */
function tableAsIntegers(view: GroupedView, levels: Float32Array): Reformed<IntegerView> {
  const { rows, columns, groupCount, groupOfColumn, rounding } = view;
  if (view.biases !== undefined) {
    return { misfit: { reason: "its levels are a table and stand beside an offset of their own" } };
  }
  let steps = 1;
  while (steps < MOST_STEPS && !levels.every((level) => Number.isInteger(level * steps))) steps *= 2;
  let min = 0;
  let max = 0;
  for (const level of levels) {
    min = Math.min(min, level * steps);
    max = Math.max(max, level * steps);
  }
  if (!levels.every((level) => Number.isInteger(level * steps)) || max - min > 255) {
    return {
      misfit: {
        reason: "its levels are not whole multiples of one step, or lie too far apart for codes of 8 bits",
        hint: "A float type holds these values; quantizing them anew changes them.",
      },
    };
  }
  const scales = new Float32Array(view.scales.length);
  for (let i = 0; i < scales.length; i++) {
    const exact = view.scales[i]! / steps;
    scales[i] = exact;
    if (scales[i] !== exact) {
      return { misfit: { reason: `the step of row ${Math.floor(i / groupCount)} is too small for an f32` } };
    }
  }
  const codeOf = Uint8Array.from(levels, (level) => level * steps - min);
  const codes = new Uint8Array(view.codes.length);
  for (let i = 0; i < codes.length; i++) codes[i] = codeOf[view.codes[i]!]!;
  const zeros = new Int16Array(scales.length).fill(-min);
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding } };
}

/** Larger zero points are useless: all weights of the group would be nearly equal. */
export const MAX_ZERO = 4096;

/** Biases that are whole multiples of their scale are zero points. */
function biasesAsZeros(view: GroupedView, biases: Float32Array): Reformed<IntegerView> {
  const { rows, columns, groupCount, groupOfColumn, codes, scales, rounding } = view;
  // where the product with all bits set is exact, so are those with smaller codes: nothing is rounded before the sum
  const allOnes = 2 ** (32 - Math.clz32(largest(codes))) - 1;
  const zeros = new Int16Array(biases.length);
  for (let i = 0; i < biases.length; i++) {
    const scale = scales[i]!;
    const bias = biases[i]!;
    const zero = bias === 0 ? 0 : -bias / scale;
    const isWhole = Number.isInteger(zero) && Math.abs(zero) <= MAX_ZERO && -scale * zero === bias;
    if (!isWhole || Math.fround(scale * allOnes) !== scale * allOnes) {
      return {
        misfit: {
          reason: `row ${Math.floor(i / groupCount)} has an offset that is no whole multiple of its scale, so no integer zero point says the same`,
          hint: "A float type holds these values; quantizing them anew changes them.",
        },
      };
    }
    zeros[i] = zero;
  }
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, zeros, rounding } };
}

function largest(codes: Uint8Array): number {
  let most = 0;
  for (let i = 0; i < codes.length; i++) if (codes[i]! > most) most = codes[i]!;
  return most;
}

/** A view with biases in groups of `size` columns and codes up to `maxCode`, where neighbours share their numbers. */
export function regroupBiased(view: GroupedView, size: number, maxCode: number): Reformed<BiasedView> {
  const { rows, columns, codes, biases, rounding } = view;
  if (biases === undefined || view.levels !== "integer") {
    return { misfit: { reason: "it does not store integers with an offset for each group" } };
  }
  const most = largest(codes);
  if (most > maxCode) return { misfit: { reason: `codes reach ${most}, and only 0…${maxCode} are held` } };
  const groupOfColumn = sequentialGroups(columns, size);
  const groupCount = (groupOfColumn[columns - 1] ?? -1) + 1;
  const scales = new Float32Array(rows * groupCount);
  const own = new Float32Array(rows * groupCount);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = row * view.groupCount + view.groupOfColumn[column]!;
      const to = row * groupCount + groupOfColumn[column]!;
      if (column % size === 0) {
        scales[to] = view.scales[from]!;
        own[to] = biases[from]!;
      } else if (scales[to] !== view.scales[from] || own[to] !== biases[from]) {
        return {
          misfit: {
            reason: `different scales or offsets meet inside a block of ${size} columns (row ${row}, column ${column})`,
            hint: "A layout with smaller blocks or groups keeps the values.",
          },
        };
      }
    }
  }
  return { view: { rows, columns, groupCount, groupOfColumn, codes, scales, biases: own, rounding } };
}
