import { UsageError } from "../errors.ts";
import { ROUND_TO } from "../numeric/float-rounding.ts";
import { floatBitsToHalf, halfToFloatBits } from "../numeric/half.ts";
import { roundHalfEven } from "../numeric/round.ts";
import type { GroupedView } from "../view/grouped-view.ts";
import type { SolveFactor } from "./factor.ts";

/** The steps that codes are chosen from, for some rows; with sweeps, also the codes' beginning. */
export type CodeGrid = Omit<GroupedView, "codes">;

/** What happens after the first codes. */
export interface Sweeps {
  /** How often all codes are looked at again. */
  readonly count: number;
  /** The type that scales are rounded to, where they may change; undefined: they stay. */
  readonly scale?: ScaleType | undefined;
}

/** What scales are stored in. */
export type ScaleType = "F16" | "BF16" | "F32";

/** Codes, and the scales that belong to them. */
export interface SolvedRows {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Codes for rows of weights. The columns get their codes one after the other, each the nearest one, and what that changes in
 * the layer's output is made up for by the columns that have none yet (GPTQ, Frantar et al. 2022). A sweep then gives each
 * column the best code while all others keep theirs, group by group, and each group the best scale for its codes: neither
 * can raise the error of the output. Every step is rounded to f32. Rows do not depend on each other.
 * @param maxCode the largest code, where the grid has no table of levels
 */
export type SolveRows = (
  values: Float32Array,
  grid: CodeGrid,
  maxCode: number,
  factor: SolveFactor,
  sweeps: Sweeps,
) => SolvedRows;

const fround = Math.fround;

/** One row at a time. */
export const solveRows: SolveRows = (values, grid, maxCode, factor, sweeps) => {
  checkSizes(values, grid, factor);
  const { rows, columns, groupCount } = grid;
  const scales = Float32Array.from(grid.scales);
  const codes = new Uint8Array(rows * columns);
  const groups = groupVisits(grid, factor);
  for (let row = 0; row < rows; row++) {
    const own = rowGrid({ ...grid, scales }, row, maxCode, factor);
    const weights = Float32Array.from(
      { length: columns },
      (_, i) => values[row * columns + factor.order[i]!]!,
    );
    feedback(weights, own, factor);
    if (sweeps.count > 0) {
      const gradient = gradientOf(weights, own, factor);
      for (let sweep = 0; sweep < sweeps.count; sweep++) {
        for (const visits of groups) {
          sweepColumns(gradient, visits, own, factor);
          if (sweeps.scale !== undefined) stepScale(gradient, visits, own, factor, ROUND_TO[sweeps.scale]);
        }
      }
    }
    for (let i = 0; i < columns; i++) codes[row * columns + factor.order[i]!] = own.codes[i]!;
    scales.set(own.scales, row * groupCount);
  }
  return { codes, scales };
};

/** @throws UsageError where weights, grid and factor are not of one size */
export function checkSizes(values: Float32Array, { rows, columns }: CodeGrid, factor: SolveFactor): void {
  if (values.length === rows * columns && factor.columns === columns) return;
  throw new UsageError(
    `${values.length} values and a factor of ${factor.columns} columns do not fit ${rows} rows of ${columns}.`,
  );
}

/** For each group its columns, in the order of visits. */
export function groupVisits({ groupCount, groupOfColumn }: CodeGrid, { order }: SolveFactor): Int32Array[] {
  const groups: number[][] = Array.from({ length: groupCount }, () => []);
  order.forEach((column, visit) => {
    groups[groupOfColumn[column]!]!.push(visit);
  });
  return groups.filter((visits) => visits.length > 0).map((visits) => Int32Array.from(visits));
}

/** The grid of one row, its columns in the order of visits. */
interface RowGrid {
  readonly codes: Uint8Array;
  /** By group. */
  readonly scales: Float32Array;
  groupOf(visit: number): number;
  levelOf(visit: number, code: number): number;
  /** What a level means in f32. */
  meaning(group: number, scale: number, level: number): number;
  /** The nearest code of a value. Of two equally near codes of a table, the lower one. */
  nearest(visit: number, value: number): number;
}

function rowGrid(grid: CodeGrid, row: number, maxCode: number, { order }: SolveFactor): RowGrid {
  const { columns, groupCount, groupOfColumn, levels, zeros, biases, rounding } = grid;
  const start = row * groupCount;
  const scales = grid.scales.slice(start, start + groupCount);
  const round = rounding === "f16" ? toHalf : (value: number): number => value;
  const groupOf = (visit: number): number => groupOfColumn[order[visit]!]!;
  const biasOf = (group: number): number => biases?.[start + group] ?? 0;
  const levelOf = (visit: number, code: number): number =>
    levels === "integer" ? code - (zeros?.[start + groupOf(visit)] ?? 0) : levels[code]!;
  const meaning = (group: number, scale: number, level: number): number =>
    round(fround(fround(scale * level) + biasOf(group)));
  const nearestInteger = (visit: number, value: number): number => {
    const group = groupOf(visit);
    const zero = zeros?.[start + group] ?? 0;
    const scale = scales[group]!;
    const steps = scale === 0 ? 0 : roundHalfEven(fround(fround(value - biasOf(group)) / scale));
    return Math.max(0, Math.min(maxCode, steps + zero));
  };
  const nearestLevel = (visit: number, value: number): number => {
    const group = groupOf(visit);
    let least = Number.POSITIVE_INFINITY;
    let code = 0;
    for (let candidate = 0; candidate < levels.length; candidate++) {
      const found = meaning(group, scales[group]!, levelOf(visit, candidate));
      const distance = Math.abs(fround(found - value));
      if (distance < least) [least, code] = [distance, candidate];
    }
    return code;
  };
  const nearest = levels === "integer" ? nearestInteger : nearestLevel;
  return { codes: new Uint8Array(columns), scales, groupOf, levelOf, meaning, nearest };
}

function meaningAt(grid: RowGrid, visit: number): number {
  const group = grid.groupOf(visit);
  return grid.meaning(group, grid.scales[group]!, grid.levelOf(visit, grid.codes[visit]!));
}

function feedback(weights: Float32Array, grid: RowGrid, { columns, upper }: SolveFactor): void {
  const rest = weights.slice();
  for (let i = 0; i < columns; i++) {
    grid.codes[i] = grid.nearest(i, rest[i]!);
    const error = fround(fround(rest[i]! - meaningAt(grid, i)) / upper[i * columns + i]!);
    subtract(rest, i + 1, upper, i, error);
  }
}

/** numbers[j] −= change × matrix[row, j], from column `first` on. */
function subtract(
  numbers: Float32Array,
  first: number,
  matrix: Float32Array,
  row: number,
  change: number,
): void {
  const { length } = numbers;
  for (let j = first, at = row * length; j < length; j++) {
    numbers[j] = numbers[j]! - fround(change * matrix[at + j]!);
  }
}

/** How the error of the output falls as each weight rises: moments × (weights − values). */
function gradientOf(weights: Float32Array, grid: RowGrid, { columns, moments }: SolveFactor): Float32Array {
  const gradient = new Float32Array(columns);
  for (let i = 0; i < columns; i++) {
    subtract(gradient, 0, moments, i, fround(meaningAt(grid, i) - weights[i]!));
  }
  return gradient;
}

function sweepColumns(gradient: Float32Array, visits: Int32Array, grid: RowGrid, factor: SolveFactor): void {
  const { columns, moments } = factor;
  for (const visit of visits) {
    const before = meaningAt(grid, visit);
    const wanted = fround(before + fround(gradient[visit]! / moments[visit * (columns + 1)]!));
    grid.codes[visit] = grid.nearest(visit, wanted);
    const change = fround(meaningAt(grid, visit) - before);
    if (change !== 0) subtract(gradient, 0, moments, visit, change);
  }
}

/** The error is a parabola of a group's scale: the scale goes to its lowest point, rounded, where that is lower. */
function stepScale(
  gradient: Float32Array,
  visits: Int32Array,
  grid: RowGrid,
  { columns, moments }: SolveFactor,
  round: (value: number) => number,
): void {
  const group = grid.groupOf(visits[0]!);
  const levels = Float32Array.from(visits, (visit) => grid.levelOf(visit, grid.codes[visit]!));
  let slope = 0;
  let curve = 0;
  for (let i = 0; i < visits.length; i++) {
    slope = fround(slope + fround(levels[i]! * gradient[visits[i]!]!));
    let sum = 0;
    for (let j = 0, at = visits[i]! * columns; j < visits.length; j++) {
      sum = fround(sum + fround(levels[j]! * moments[at + visits[j]!]!));
    }
    curve = fround(curve + fround(levels[i]! * sum));
  }
  const before = grid.scales[group]!;
  const after = round(fround(before + fround(slope / curve)));
  const step = fround(after - before);
  const gain = fround(step * fround(fround(step * curve) - fround(slope + slope)));
  // a scale keeps its sign
  if (!(gain < 0 && fround(before * after) > 0)) return;
  grid.scales[group] = after;
  for (let i = 0; i < visits.length; i++) {
    const change = fround(grid.meaning(group, after, levels[i]!) - grid.meaning(group, before, levels[i]!));
    subtract(gradient, 0, moments, visits[i]!, change);
  }
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

function toHalf(value: number): number {
  float[0] = value;
  bits[0] = halfToFloatBits(floatBitsToHalf(bits[0]!));
  return float[0]!;
}
