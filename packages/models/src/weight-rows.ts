/** Executes a weight plan in f32, band by band. This file defines the meaning of an input's steps. */
import { CodecError, ConversionError, elementCount, rowCount, rowLength } from "@requant/core";
import { mapOf, ternaryMap } from "./element-maps.ts";
import { positionWaves } from "./position-waves.ts";
import { orderedRowCount, sourceRowOf } from "./row-order.ts";
import { SumF32 } from "./sum-f32.ts";
import type { ElementMap, StoredInput, WeightInput, WeightPlan } from "./weight-plan.ts";

/** Where stored rows come from. Shapes are row-major; rows are f32, `end - start` times the innermost dimension. */
export interface WeightSource {
  /** The stored shape of a tensor. @throws CodecError where there is none of this name */
  shapeOf(tensor: string): readonly number[];
  /** Fills `out` with the rows from `start` up to, but without, `end`. */
  readRows(tensor: string, start: number, end: number, out: Float32Array): Promise<void>;
}

/** Rows of a planned weight. */
export interface WeightReader {
  /** Rows `start` to `end` of the planned tensor into `out`. Ascending calls read each stored row once. */
  readRows(start: number, end: number, out: Float32Array): Promise<void>;
}

interface Part {
  readonly rowCount: number;
  readonly rowLength: number;
  read(start: number, end: number, out: Float32Array, outOffset: number): Promise<void>;
}

function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++)
      out[column * rows + row] = values[row * columns + column]!;
  }
  return out;
}

/** Reads a whole part once and keeps it in memory, for steps that cannot be done row by row. */
function materialized(part: Part, transpose: boolean, newRowLength: number | undefined): Part {
  const flippedLength = transpose ? part.rowCount : part.rowLength;
  const total = part.rowCount * part.rowLength;
  const length = newRowLength ?? flippedLength;
  if (total % length !== 0)
    throw new ConversionError(`${total} elements cannot be seen as rows of ${length}.`);
  let loaded: Promise<Float32Array> | undefined;
  const load = async (): Promise<Float32Array> => {
    const values = new Float32Array(total);
    await part.read(0, part.rowCount, values, 0);
    return transpose ? transposed(values, part.rowCount, part.rowLength) : values;
  };
  return {
    rowCount: total / length,
    rowLength: length,
    async read(start, end, out, outOffset) {
      loaded ??= load();
      out.set((await loaded).subarray(start * length, end * length), outOffset);
    },
  };
}

function reordered(part: Part, order: NonNullable<StoredInput["rowOrder"]>): Part {
  const sourceRow = sourceRowOf(order, part.rowCount);
  return {
    rowCount: orderedRowCount(order, part.rowCount),
    rowLength: part.rowLength,
    async read(start, end, out, outOffset) {
      // runs of neighbouring source rows are read together
      for (let row = start; row < end; ) {
        const first = sourceRow(row);
        let run = 1;
        while (row + run < end && sourceRow(row + run) === first + run) run++;
        await part.read(first, first + run, out, outOffset + (row - start) * part.rowLength);
        row += run;
      }
    },
  };
}

function columnsReordered(part: Part, order: NonNullable<StoredInput["columnOrder"]>): Part {
  const sourceColumn = sourceRowOf(order, part.rowLength);
  const length = orderedRowCount(order, part.rowLength);
  return {
    rowCount: part.rowCount,
    rowLength: length,
    async read(start, end, out, outOffset) {
      const rows = new Float32Array((end - start) * part.rowLength);
      await part.read(start, end, rows, 0);
      for (let row = 0; row < end - start; row++) {
        for (let column = 0; column < length; column++) {
          out[outOffset + row * length + column] = rows[row * part.rowLength + sourceColumn(column)]!;
        }
      }
    },
  };
}

function selected(part: Part, [first, last]: readonly [number, number]): Part {
  if (first > last || last > part.rowCount) {
    throw new ConversionError(`Rows ${first}–${last} are not among ${part.rowCount} rows.`);
  }
  return {
    rowCount: last - first,
    rowLength: part.rowLength,
    read: (start, end, out, outOffset) => part.read(first + start, first + end, out, outOffset),
  };
}

/** Weights that are looked at together before the first of them is rounded. */
const BAND_WEIGHTS = 1 << 20;

/** The mean of all sizes, in torch's order of sums. */
async function meanSize(part: Part): Promise<number> {
  const rows = Math.max(1, Math.floor(BAND_WEIGHTS / part.rowLength));
  const band = new Float32Array(Math.min(rows, part.rowCount) * part.rowLength);
  const count = part.rowCount * part.rowLength;
  const sum = new SumF32(count);
  for (let start = 0; start < part.rowCount; start += rows) {
    const end = Math.min(start + rows, part.rowCount);
    await part.read(start, end, band, 0);
    const length = (end - start) * part.rowLength;
    for (let index = 0; index < length; index++) sum.add(Math.abs(band[index]!));
  }
  return sum.total / count;
}

function mapped(part: Part, map: ElementMap, halves: boolean): Part {
  let apply = map === "ternary" ? undefined : mapOf(map, halves);
  return {
    rowCount: part.rowCount,
    rowLength: part.rowLength,
    async read(start, end, out, outOffset) {
      apply ??= ternaryMap(await meanSize(part));
      await part.read(start, end, out, outOffset);
      const last = outOffset + (end - start) * part.rowLength;
      for (let index = outOffset; index < last; index++) out[index] = apply(out[index]!);
    },
  };
}

function withSteps(source: Part, input: Omit<StoredInput, "tensor">): Part {
  let part = source;
  if (input.rows) part = selected(part, input.rows);
  if (input.transpose || input.rowLength !== undefined) {
    part = materialized(part, input.transpose === true, input.rowLength);
  }
  if (input.rowOrder) part = reordered(part, input.rowOrder);
  if (input.columnOrder) part = columnsReordered(part, input.columnOrder);
  if (input.map) part = mapped(part, input.map, input.halves === true);
  return part;
}

function storedPart(tensor: string, source: WeightSource): Part {
  const shape = source.shapeOf(tensor);
  const length = rowLength(shape);
  return {
    rowCount: rowCount(shape),
    rowLength: length,
    read: (start, end, out, outOffset) =>
      source.readRows(tensor, start, end, out.subarray(outOffset, outOffset + (end - start) * length)),
  };
}

function joined(parts: readonly Part[]): Part {
  const length = parts[0]?.rowLength ?? 0;
  const starts: number[] = [];
  let total = 0;
  for (const part of parts) {
    if (part.rowLength !== length) {
      throw new ConversionError(`Rows of ${part.rowLength} weights cannot be joined to rows of ${length}.`);
    }
    starts.push(total);
    total += part.rowCount;
  }
  return {
    rowCount: total,
    rowLength: length,
    async read(start, end, out, outOffset) {
      for (const [index, part] of parts.entries()) {
        const partStart = starts[index] ?? 0;
        const first = Math.max(start, partStart);
        const last = Math.min(end, partStart + part.rowCount);
        if (first < last) {
          await part.read(first - partStart, last - partStart, out, outOffset + (first - start) * length);
        }
      }
    },
  };
}

function partOf(input: WeightInput, plan: WeightPlan, source: WeightSource): Part {
  if ("values" in input) {
    const length = rowLength(plan.shape);
    return {
      rowCount: input.values.length / length,
      rowLength: length,
      async read(start, end, out, outOffset) {
        out.set(input.values.slice(start * length, end * length), outOffset);
      },
    };
  }
  if ("zeros" in input) {
    const length = rowLength(plan.shape);
    return {
      rowCount: input.zeros / length,
      rowLength: length,
      async read(start, end, out, outOffset) {
        out.fill(0, outOffset, outOffset + (end - start) * length);
      },
    };
  }
  if ("positions" in input) {
    const { positions, width } = input;
    const rowAt = positionWaves(width);
    return {
      rowCount: positions,
      rowLength: width,
      async read(start, end, out, outOffset) {
        for (let row = start; row < end; row++) out.set(rowAt(row), outOffset + (row - start) * width);
      },
    };
  }
  if ("join" in input)
    return withSteps(joined(input.join.map((inner) => partOf(inner, plan, source))), input);
  return withSteps(storedPart(input.tensor, source), input);
}

/**
 * A reader of the planned tensor.
 * @throws ConversionError when the inputs do not add up to the planned shape.
 */
export function openWeight(plan: WeightPlan, source: WeightSource): WeightReader {
  try {
    // a whole-tensor view: 1-D inputs and outputs are one row
    const part = joined(plan.inputs.map((input) => partOf(input, plan, source)));
    const total = elementCount(plan.shape);
    if (part.rowCount * part.rowLength !== total) {
      throw new ConversionError(
        `The inputs hold ${part.rowCount} × ${part.rowLength} elements; the shape [${plan.shape.join(", ")}] needs ${total}.`,
      );
    }
    const view =
      part.rowLength === rowLength(plan.shape) ? part : materialized(part, false, rowLength(plan.shape));
    return { readRows: (start, end, out) => view.read(start, end, out, 0) };
  } catch (error) {
    if (error instanceof CodecError && error.tensor === undefined) {
      throw new ConversionError(`${plan.name}: ${error.message}`, {
        tensor: plan.name,
        hint: error.hint,
        cause: error,
      });
    }
    throw error;
  }
}

/**
 * True when the rows cannot be read band by band: the plan transposes or changes the row length, so that the whole weight
 * is in memory, and every band costs reading the whole weight.
 */
export function isHeldWhole(plan: WeightPlan, shapeOf: (tensor: string) => readonly number[]): boolean {
  const length = rowLength(plan.shape);
  const held = (input: WeightInput): boolean => {
    if (!("tensor" in input || "join" in input)) return false;
    if (input.transpose === true || input.rowLength !== undefined) return true;
    return "join" in input ? input.join.some(held) : false;
  };
  const reshaped = (input: WeightInput): boolean =>
    "tensor" in input && input.columnOrder === undefined && rowLength(shapeOf(input.tensor)) !== length;
  return plan.inputs.some((input) => held(input) || reshaped(input));
}

/** Where a row is stored. */
export interface RowOrigin {
  readonly tensor: string;
  readonly row: number;
}

interface Segment {
  readonly start: number;
  readonly end: number;
  origin(row: number): RowOrigin;
}

/** The rows of all inputs one after the other, with the place where each is stored. */
function segmentsOf(
  name: string,
  inputs: readonly WeightInput[],
  shapeOf: (tensor: string) => readonly number[],
): { readonly rowCount: number; origin(row: number): RowOrigin } {
  const segments: Segment[] = [];
  let total = 0;
  for (const input of inputs) {
    if (!("tensor" in input || "join" in input))
      throw new ConversionError(`${name} is not a selection of stored rows.`);
    const whole =
      "tensor" in input
        ? {
            rowCount: rowCount(shapeOf(input.tensor)),
            origin: (row: number) => ({ tensor: input.tensor, row }),
          }
        : segmentsOf(name, input.join, shapeOf);
    const [first, last] = input.rows ?? [0, whole.rowCount];
    const start = total;
    const sourceRow = sourceRowOf(input.rowOrder, last - first);
    total += orderedRowCount(input.rowOrder, last - first);
    segments.push({ start, end: total, origin: (row) => whole.origin(first + sourceRow(row - start)) });
  }
  let latest = segments[0];
  return {
    rowCount: total,
    origin(row) {
      const isIn = ({ start, end }: Segment): boolean => row >= start && row < end;
      // rows are asked for in order, so the latest segment is nearly always the one
      const segment = latest !== undefined && isIn(latest) ? latest : segments.find(isIn);
      latest = segment;
      if (!segment) throw new ConversionError(`${name} has no row ${row}.`);
      return segment.origin(row);
    },
  };
}

/** The stored row of each output row; only for plans that `isRowSelection` accepts. */
export function rowOrigins(
  plan: Pick<WeightPlan, "name" | "inputs">,
  shapeOf: (tensor: string) => readonly number[],
): (outputRow: number) => RowOrigin {
  return segmentsOf(plan.name, plan.inputs, shapeOf).origin;
}
