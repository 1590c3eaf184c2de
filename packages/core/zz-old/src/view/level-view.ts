import { UsageError } from "../errors.ts";
import { checkRows, groupRuns, type IntegerView, roundToHalf } from "./integer-view.ts";

/**
 * The exact view of a stored weight W[rows, columns] (rows are out features, columns in features), wide enough for
 * every layout that multiplies the levels of a table:
 *
 *   value[row, column] = round(level[code] × Π factor(row, column) + offset(row, column))
 *
 * Computed in f32, each step rounded to f32: the factors are multiplied in their order, the product is multiplied by the
 * level, then the bias is added. With zero points the level is (code − zero). Columns are in the model's own order. No
 * unit is implied: weights have none. `IntegerView` says the most frequent case in a compact form.
 */
export interface LevelView {
  readonly rows: number;
  readonly columns: number;
  /** `codes[row × columns + column]`, 0 to 255. */
  readonly codes: Uint8Array;
  /**
   * "integer": each code is its own level. A table: `levels[code]` (NF4, E2M1, E4M3, IQ4_NL), finite numbers, or NaN where
   * a code means that.
   */
  readonly levels: "integer" | Float32Array;
  /** Multiplied in this order. Two for a K-quant (scale of the scales, scale of the sub-block) or NVFP4. */
  readonly factors: readonly Factor[];
  readonly offset: Offset;
  /** "f16": each value is rounded once more, to f16; "none": values are what the formula gives. */
  readonly rounding: "none" | "f16";
}

/** Numbers that weights are multiplied by. */
export interface Factor {
  readonly values: Float32Array;
  readonly span: Span;
}

/** Which number belongs to which weight. */
export type Span =
  /** `values[row × groupCount + groupOfColumn[column]]`. */
  | { readonly kind: "columns"; readonly groupCount: number; readonly groupOfColumn: Int32Array }
  /** Rectangles: `values[⌊row ÷ blockRows⌋ × ⌈columns ÷ blockColumns⌉ + ⌊column ÷ blockColumns⌋]`. */
  | { readonly kind: "blocks"; readonly blockRows: number; readonly blockColumns: number }
  /** Runs of the flattened weight: `values[⌊(row × columns + column) ÷ length⌋]`. */
  | { readonly kind: "runs"; readonly length: number }
  /** `values[0]` for all. */
  | { readonly kind: "tensor" };

/** What is added to the product, or taken from the level. */
export type Offset =
  | { readonly kind: "none" }
  /** The code that means 0; only where the levels are integers. */
  | { readonly kind: "zeros"; readonly values: Int16Array; readonly span: Span }
  /** A number that is added after the multiplication (Q4_1, the minimums of K-quants, MLX). */
  | { readonly kind: "bias"; readonly values: Float32Array; readonly span: Span };

/** A stored weight's view: the compact form where codes are integers around integer zero points, else the general one. */
export type StoredView = IntegerView | LevelView;

/** Whether a view is the general one. */
export function isLevelView(view: StoredView): view is LevelView {
  return "levels" in view;
}

/** The general form of a compact view, over the same arrays. */
export function levelViewOf(view: IntegerView): LevelView {
  const { rows, columns, codes, scales, zeros, groupCount, groupOfColumn, rounding } = view;
  const span: Span = { kind: "columns", groupCount, groupOfColumn };
  const offset: Offset = { kind: "zeros", values: zeros, span };
  return { rows, columns, codes, levels: "integer", factors: [{ values: scales, span }], offset, rounding };
}

/**
 * Checks that every array has the length that its place in the view asks for, and every code a level.
 * @throws UsageError that names the array
 */
export function checkLevelView(view: LevelView): void {
  const { rows, columns, codes, levels, factors, offset } = view;
  checkLength("codes", codes.length, rows * columns);
  if (levels !== "integer") {
    if (levels.some((level) => Math.abs(level) === Number.POSITIVE_INFINITY)) {
      throw new UsageError("A level of the view's table is infinite.");
    }
    const unknown = codes.find((code) => code >= levels.length);
    if (unknown !== undefined) {
      throw new UsageError(`The code ${unknown} has no level: the table has ${levels.length}.`);
    }
    if (offset.kind === "zeros") {
      throw new UsageError("Zero points belong to integer levels, and this view has a table of levels.");
    }
  }
  factors.forEach((factor, i) => {
    checkSpan(`factor ${i}`, factor.values.length, factor.span, view);
  });
  if (offset.kind !== "none") checkSpan(`offset (${offset.kind})`, offset.values.length, offset.span, view);
}

function checkSpan(name: string, found: number, span: Span, { rows, columns }: LevelView): void {
  if (span.kind === "columns") {
    const { groupCount, groupOfColumn } = span;
    checkLength(`list of groups of ${name}`, groupOfColumn.length, columns);
    const unknown = groupOfColumn.find((group) => group < 0 || group >= groupCount);
    if (unknown !== undefined) {
      throw new UsageError(`A column is in group ${unknown} of ${name}, which has ${groupCount} groups.`);
    }
  } else if (span.kind !== "tensor") {
    const sizes = span.kind === "runs" ? [span.length] : [span.blockRows, span.blockColumns];
    if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0)) {
      throw new UsageError(`Blocks of ${sizes.join(" × ")} weights make no sense for ${name}.`);
    }
  }
  checkLength(name, found, spanLength(span, rows, columns));
}

function checkLength(name: string, found: number, expected: number): void {
  if (found !== expected) {
    throw new UsageError(`The view's ${name} has ${found} numbers, and ${expected} are needed.`);
  }
}

/** How many numbers a span has for a weight of this shape. */
export function spanLength(span: Span, rows: number, columns: number): number {
  switch (span.kind) {
    case "columns":
      return rows * span.groupCount;
    case "blocks":
      return Math.ceil(rows / span.blockRows) * Math.ceil(columns / span.blockColumns);
    case "runs":
      return Math.ceil((rows * columns) / span.length);
    case "tensor":
      return 1;
  }
}

/** Index of the number that belongs to a weight. */
export function spanIndex(span: Span, row: number, column: number, columns: number): number {
  switch (span.kind) {
    case "columns":
      return row * span.groupCount + span.groupOfColumn[column]!;
    case "blocks":
      return (
        Math.floor(row / span.blockRows) * Math.ceil(columns / span.blockColumns) +
        Math.floor(column / span.blockColumns)
      );
    case "runs":
      return Math.floor((row * columns + column) / span.length);
    case "tensor":
      return 0;
  }
}

const fround = Math.fround;

/** f32 values of all rows to `out`, which holds exactly those. @throws UsageError for a view that is not valid */
export function dequantizeLevels(view: LevelView, out: Float32Array): void {
  checkLevelView(view);
  const { rows, columns, codes, levels, factors, offset, rounding } = view;
  checkLength("array of values", out.length, rows * columns);
  const runs = groupRuns(commonGroups(view).groupOfColumn);
  for (let row = 0, at = 0; row < rows; row++, at += columns) {
    for (const { start, end } of runs) {
      let scale = 1;
      for (const { values, span } of factors) {
        scale = fround(scale * values[spanIndex(span, row, start, columns)]!);
      }
      const own = offset.kind === "none" ? 0 : offset.values[spanIndex(offset.span, row, start, columns)]!;
      const zero = offset.kind === "zeros" ? own : 0;
      // −0 changes no number that it is added to, not even −0
      const bias = offset.kind === "bias" ? own : -0;
      for (let column = start; column < end; column++) {
        const code = codes[at + column]!;
        const level = levels === "integer" ? code - zero : levels[code]!;
        out[at + column] = fround(scale * level) + bias;
      }
    }
  }
  if (rounding === "f16") roundToHalf(out);
}

/** The coarsest groups of columns in which no number of the view changes within a row. */
export function commonGroups({ rows, columns, factors, offset }: Omit<LevelView, "codes">): {
  readonly groupOfColumn: Int32Array;
  readonly groupCount: number;
} {
  const spans = factors.map(({ span }) => span);
  if (offset.kind !== "none") spans.push(offset.span);
  let groupOfColumn = new Int32Array(columns);
  let groupCount = columns === 0 ? 0 : 1;
  for (const span of spans) {
    const known = new Map<number, number>();
    const refined = new Int32Array(columns);
    for (let column = 0; column < columns; column++) {
      const key = spanGroup(span, rows, column, columns) * groupCount + groupOfColumn[column]!;
      const group = known.get(key) ?? known.size;
      known.set(key, group);
      refined[column] = group;
    }
    groupOfColumn = refined;
    groupCount = known.size;
  }
  return { groupOfColumn, groupCount };
}

/** Returns the same number for columns that share their value in every row. */
function spanGroup(span: Span, rows: number, column: number, columns: number): number {
  switch (span.kind) {
    case "columns":
      return span.groupOfColumn[column]!;
    case "blocks":
      return Math.floor(column / span.blockColumns);
    case "runs":
      if (rows <= 1 || columns % span.length === 0) return Math.floor(column / span.length);
      // whole rows in a run, or runs that begin at other columns in each row
      return span.length % columns === 0 ? 0 : column;
    case "tensor":
      return 0;
  }
}

/**
 * A new view whose row i is row `sourceRow(i)` of this one. Only for factors and offsets that each row has to itself.
 * @throws UsageError for a row that is not there, and for numbers that several rows share
 */
export function selectLevelRows(
  view: LevelView,
  rows: number,
  sourceRow: (row: number) => number,
): LevelView {
  const sources = Array.from({ length: rows }, (_, row) => sourceRow(row));
  for (const source of sources) checkRows(source, source + 1, view.rows);
  const { columns, offset } = view;
  const codes = new Uint8Array(rows * columns);
  sources.forEach((source, row) => {
    codes.set(view.codes.subarray(source * columns, (source + 1) * columns), row * columns);
  });
  const floats = (values: Float32Array, span: Span): Float32Array => {
    if (span.kind === "tensor") return values;
    const count = ownGroupCount(span, columns);
    const out = new Float32Array(rows * count);
    sources.forEach((source, row) => {
      out.set(values.subarray(source * count, (source + 1) * count), row * count);
    });
    return out;
  };
  const selected = (): Offset => {
    if (offset.kind === "bias") return { ...offset, values: floats(offset.values, offset.span) };
    // a zero point is an f32 number too
    if (offset.kind === "zeros") {
      return { ...offset, values: Int16Array.from(floats(Float32Array.from(offset.values), offset.span)) };
    }
    return offset;
  };
  return {
    ...view,
    rows,
    codes,
    factors: view.factors.map(({ values, span }) => ({ values: floats(values, span), span })),
    offset: selected(),
  };
}

/** How many numbers each row has to itself. */
function ownGroupCount(span: Span, columns: number): number {
  if (span.kind === "columns") return span.groupCount;
  if (span.kind === "blocks" && span.blockRows === 1) return Math.ceil(columns / span.blockColumns);
  throw new UsageError("Rows that share a scale with other rows cannot be put in another order one by one.");
}
