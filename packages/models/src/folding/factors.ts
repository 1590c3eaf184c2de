/** What the numbers of tensors are multiplied by when scales are folded in: by GGUF's names, and by those of the source. */
import { ConversionError, elementCount, rowCount, rowLength } from "@requant/core";
import { orderedRowCount, sourceRowOf } from "../row-order.ts";
import type { StoredInput, WeightPlan } from "../weight-plan.ts";
import type { Folding } from "./foldings.ts";

/** value → (value + shift) × rows[row] × columns[matrix × rowLength + column] − shift; a tensor of one dimension is one row. */
export interface WeightFactors {
  readonly rows?: Float32Array;
  /** For each matrix of the tensor, or of its rows divided evenly, one factor per column. */
  readonly columns?: Float32Array;
  /** 1 for a norm that is stored as its difference to one. */
  readonly shift?: number;
}

type Draft = { -readonly [K in keyof WeightFactors]: WeightFactors[K] };

/** @throws ConversionError for weights that take part in two foldings in a way that cannot be combined */
function multiplied(name: string, known: Float32Array | undefined, more: Float32Array): Float32Array {
  if (known === undefined) return more;
  if (known.length !== more.length)
    throw new ConversionError("Two scales do not fit together.", { tensor: name });
  return known.map((value, i) => value * more[i]!);
}

/**
 * The factors of all tensors that the foldings touch, by GGUF's names.
 * @param scales for each folding its scales [matrices, columns]
 */
export function foldedFactors(
  foldings: readonly Folding[],
  scales: readonly Float32Array[],
  shapes: ReadonlyMap<string, readonly number[]>,
): Map<string, WeightFactors> {
  const factors = new Map<string, Draft>();
  const draftOf = (name: string): Draft => {
    const draft = factors.get(name) ?? {};
    factors.set(name, draft);
    return draft;
  };
  for (const [index, { readers, divided, columns, matrices, sharedColumn }] of foldings.entries()) {
    const own = scales[index]!;
    for (const reader of readers) {
      const draft = draftOf(reader);
      draft.columns = multiplied(reader, draft.columns, own);
    }
    if (divided.kind === "norm") {
      for (const name of divided.tensors) draftOf(name).columns = own.map((scale) => 1 / scale);
      continue;
    }
    const { tensor, bias, start, count } = divided;
    const rows = rowCount(shapes.get(tensor) ?? []);
    const perMatrix = rows / matrices;
    const factor = new Float32Array(rows).fill(1);
    for (let matrix = 0; matrix < matrices; matrix++) {
      for (let column = 0; column < columns; column++) {
        const row = matrix * perMatrix + start + (sharedColumn?.[column] ?? column);
        factor[row] = 1 / own[matrix * columns + column]!;
      }
    }
    if (count + start !== perMatrix)
      throw new ConversionError("The divided rows are not the last ones.", { tensor });
    draftOf(tensor).rows = factor;
    if (bias !== undefined) draftOf(bias).columns = factor;
  }
  return factors;
}

/**
 * The same factors for the stored tensors that a plan makes the GGUF's tensors from.
 * @throws ConversionError where a stored tensor would need two different factors
 */
export function sourceFactors(
  plans: readonly WeightPlan[],
  factors: ReadonlyMap<string, WeightFactors>,
  shapeOf: (tensor: string) => readonly number[],
): Map<string, WeightFactors> {
  const made = new Map<string, Draft>();
  for (const plan of plans) {
    const own = factors.get(plan.name);
    if (own === undefined) continue;
    let start = 0;
    for (const input of plan.inputs) {
      if ("zeros" in input) continue;
      if (!("tensor" in input)) throw unfoldable(plan.name);
      const draft = made.get(input.tensor) ?? {};
      made.set(input.tensor, draft);
      start += addFactors(draft, plan, input, own, start, shapeOf(input.tensor));
    }
  }
  return made;
}

function unfoldable(tensor: string): ConversionError {
  return new ConversionError("Scales cannot be folded into a weight that is made in this way.", { tensor });
}

/** Adds the factors of planned rows from `start` on to their stored tensor, and says how many rows these are. */
function addFactors(
  draft: Draft,
  plan: WeightPlan,
  input: StoredInput,
  { rows, columns }: WeightFactors,
  start: number,
  stored: readonly number[],
): number {
  if (input.columnOrder !== undefined || (input.rowLength !== undefined && input.rowLength !== 1))
    throw unfoldable(plan.name);
  if (input.map === "add-one") draft.shift = 1;
  else if (input.map !== undefined) throw unfoldable(plan.name);
  if (plan.shape.length === 1) return addElements(draft, input, columns, start, stored);
  if (input.transpose === true) {
    if (input.rows !== undefined || input.rowOrder !== undefined || stored.length !== 2 || start !== 0)
      throw unfoldable(plan.name);
    if (rows !== undefined) draft.columns = multiplied(input.tensor, draft.columns, rows);
    if (columns !== undefined) draft.rows = multiplied(input.tensor, draft.rows, columns);
    return rowCount(plan.shape);
  }
  const [first, last] = input.rows ?? [0, rowCount(stored)];
  const count = orderedRowCount(input.rowOrder, last - first);
  const sourceRow = sourceRowOf(input.rowOrder, last - first);
  const length = rowLength(plan.shape);
  const planned = columns === undefined ? 0 : rowCount(plan.shape) / (columns.length / length);
  // one set of columns for each stored matrix, unless all are the same
  const matrices = columns === undefined || columns.length === length ? 1 : elementCount(stored.slice(0, -2));
  const perMatrix = rowCount(stored) / matrices;
  const known = draft.columns;
  const target = columns === undefined ? undefined : new Float32Array(matrices * length);
  for (let row = 0; row < count; row++) {
    const source = first + sourceRow(row);
    if (rows !== undefined) {
      draft.rows ??= new Float32Array(rowCount(stored)).fill(1);
      draft.rows[source]! *= rows[start + row]!;
    }
    const matrix = Math.floor(source / perMatrix);
    if (columns === undefined || target === undefined || target[matrix * length] !== 0) continue;
    const from = Math.floor((start + row) / planned) * length;
    target.set(columns.subarray(from, from + length), matrix * length);
  }
  if (known?.some((value, i) => target !== undefined && value !== target[i])) throw unfoldable(plan.name);
  if (target !== undefined) draft.columns = target;
  return count;
}

/** Factors of single numbers: of a norm or a bias. */
function addElements(
  draft: Draft,
  input: StoredInput,
  factors: Float32Array | undefined,
  start: number,
  stored: readonly number[],
): number {
  const total = elementCount(stored);
  const [first, last] = input.rowLength === 1 ? (input.rows ?? [0, total]) : [0, total];
  const count = orderedRowCount(input.rowOrder, last - first);
  const source = sourceRowOf(input.rowOrder, last - first);
  if (factors === undefined) return count;
  draft.columns ??= new Float32Array(total).fill(1);
  for (let i = 0; i < count; i++) draft.columns[first + source(i)]! *= factors[start + i]!;
  return count;
}
