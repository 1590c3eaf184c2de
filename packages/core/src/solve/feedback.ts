import { UsageError } from "../errors.ts";
import { floatBitsToHalf, halfToFloatBits } from "../numeric/half.ts";
import { roundHalfEven } from "../numeric/round.ts";
import { type GroupedView, groupedView } from "../view/grouped-view.ts";
import { isLevelView, type StoredView } from "../view/level-view.ts";
import type { SolveFactor } from "./factor.ts";

/** The steps that codes are chosen from. */
type CodeGrid = Omit<GroupedView, "codes">;

/** @throws UsageError for a view whose scales are not finite */
function gridOf(view: StoredView): CodeGrid {
  if (!isLevelView(view)) return { ...view, levels: "integer" };
  const made = groupedView(view);
  if (made.view !== undefined) return made.view;
  throw new UsageError(`Codes cannot be chosen on this grid: ${made.misfit.reason}.`);
}

const fround = Math.fround;

/**
 * New codes for rows of weights on the grid of a view, whose scales and offsets stay and whose codes are not looked at, by error feedback: the columns get their codes one after the
 * other, each the nearest one, and what that changes in the layer's output is made up for by the columns that have none
 * yet. Every step is rounded to f32. Source: GPTQ (Frantar et al. 2022), with groups that are known before the first code.
 * Rows do not depend on each other: a band of rows gives the same codes as all of them.
 * @param values [rows, columns], row-major; not changed
 * @param maxCode the largest code, where the grid has no table of levels
 * @returns codes[rows, columns]
 */
export function feedbackCodes(
  values: Float32Array,
  view: StoredView,
  maxCode: number,
  factor: SolveFactor,
): Uint8Array {
  const { rows, columns } = view;
  if (values.length !== rows * columns || factor.columns !== columns) {
    throw new UsageError(
      `${values.length} values and a factor of ${factor.columns} columns do not fit ${rows} rows of ${columns}.`,
    );
  }
  const { order, upper } = factor;
  const codes = new Uint8Array(rows * columns);
  const rest = new Float32Array(columns);
  const nearest = nearestOf(gridOf(view), maxCode);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) rest[i] = values[row * columns + order[i]!]!;
    for (let i = 0; i < columns; i++) {
      const column = order[i]!;
      const { code, value } = nearest(row, column, rest[i]!);
      codes[row * columns + column] = code;
      const error = fround(fround(rest[i]! - value) / upper[i * columns + i]!);
      for (let j = i + 1, at = i * columns; j < columns; j++) {
        rest[j] = rest[j]! - fround(error * upper[at + j]!);
      }
    }
  }
  return codes;
}

interface Nearest {
  readonly code: number;
  /** What the code means, in f32. */
  readonly value: number;
}

/** The nearest code of a weight at a place. Of two equally near codes of a table, the lower one. */
function nearestOf(grid: CodeGrid, maxCode: number): (row: number, column: number, value: number) => Nearest {
  const { groupCount, groupOfColumn, levels, scales, zeros, biases, rounding } = grid;
  const round = rounding === "f16" ? toHalf : (value: number): number => value;
  const last = levels === "integer" ? maxCode : levels.length - 1;
  return (row, column, value) => {
    const group = row * groupCount + groupOfColumn[column]!;
    const scale = scales[group]!;
    const zero = zeros?.[group] ?? 0;
    const bias = biases?.[group] ?? 0;
    const meaning = (code: number): number => {
      const level = levels === "integer" ? code - zero : levels[code]!;
      return round(fround(fround(scale * level) + bias));
    };
    let code = 0;
    if (levels !== "integer") {
      let least = Number.POSITIVE_INFINITY;
      for (let candidate = 0; candidate <= last; candidate++) {
        const distance = Math.abs(meaning(candidate) - value);
        if (distance < least) [least, code] = [distance, candidate];
      }
    } else if (scale !== 0) {
      code = Math.max(0, Math.min(last, roundHalfEven(fround(fround(value - bias) / scale)) + zero));
    } else code = Math.max(0, Math.min(last, zero));
    return { code, value: meaning(code) };
  };
}

const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

function toHalf(value: number): number {
  float[0] = value;
  bits[0] = halfToFloatBits(floatBitsToHalf(bits[0]!));
  return float[0]!;
}
