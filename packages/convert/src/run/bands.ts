/** What the ways of making a tensor have in common: it is made in bands, each on its own. */
import { elementCount, rowLength as rowLengthOf } from "@requant/core";
import { isHeldWhole, plannedSources, type StoredInput, type WeightInput } from "@requant/models";
import { blockOf } from "../model/encodings.ts";
import type { Model } from "../model/model.ts";
import type { Fidelity } from "../plan/fidelity.ts";
import type { PlanThrough } from "../plan/plan.ts";
import type { ErrorMeter } from "./error-meter.ts";
import type { WorkArea, WorkSizes } from "./work-area.ts";

/** The parts of a plan's tensor that say how its bytes are made. */
export interface WeightTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly to: string;
  readonly fidelity: Fidelity;
  readonly inputs: readonly WeightInput[];
  readonly way?: "view" | undefined;
  readonly through?: PlanThrough | undefined;
}

/** Importance of the columns, one row length of them for each of the outermost matrices, or one for all. */
export type ColumnImportance = Float32Array;

/** Units `[start, end)` of a tensor: rows, or single bytes where stored bytes are moved as they lie. */
export interface Band {
  readonly start: number;
  readonly end: number;
}

/** Makes the bands of one tensor, in any order. */
export interface BandMaker {
  readonly unitCount: number;
  readonly unitByteLength: number;
  /** Units after which a band must end: the matrices of a stack, which have an importance each. */
  readonly unitsPerMatrix: number;
  /** Most units in a band of so many bytes of f32, at least one. */
  mostUnits(bandByteLength: number): number;
  /** Reading one band costs as much as reading all: they are made in one place, one after the other. */
  readonly whole: boolean;
  /** What a band of so many units needs. */
  sizes(units: number): WorkSizes;
  /** The bytes of a band, in `area`: valid until the next one is made there. */
  make(band: Band, area: WorkArea, measure: ErrorMeter | undefined): Promise<Uint8Array>;
}

/** The bands of a tensor, the same for everyone who asks: they do not depend on who makes them. */
export function* bandsOf(maker: Omit<BandMaker, "make">, bandByteLength: number): Generator<Band> {
  const { unitCount, unitsPerMatrix } = maker;
  const most = maker.mostUnits(bandByteLength);
  for (let start = 0; start < unitCount; ) {
    const matrixEnd = (Math.floor(start / unitsPerMatrix) + 1) * unitsPerMatrix;
    const end = Math.min(start + most, matrixEnd, unitCount);
    yield { start, end };
    start = end;
  }
}

export interface Rows {
  readonly count: number;
  readonly length: number;
  /** Rows of one matrix: what an importance matrix repeats over. */
  readonly perMatrix: number;
}

export function rowsOf(shape: readonly number[]): Rows {
  const length = rowLengthOf(shape);
  const count = length === 0 ? 0 : elementCount(shape) / length;
  return { count, length, perMatrix: shape.length >= 3 ? (shape.at(-2) ?? count) : count };
}

/** What makers of whole rows have in common. */
export function rowUnits(
  task: WeightTask,
  rows: Rows,
): Pick<BandMaker, "unitCount" | "unitByteLength" | "unitsPerMatrix" | "mostUnits"> {
  const block = blockOf(task.to, { tensor: task.name });
  return {
    unitCount: rows.count,
    unitByteLength: (rows.length / block.blockSize) * block.blockByteLength,
    unitsPerMatrix: Math.max(1, rows.perMatrix),
    mostUnits: (bandByteLength) =>
      Math.max(1, Math.floor(bandByteLength / (rows.length * Float32Array.BYTES_PER_ELEMENT))),
  };
}

/** The only input, if it is a stored tensor with nothing done to it but, perhaps, another shape. */
export function plainInput({ inputs }: WeightTask): StoredInput | undefined {
  const [input] = inputs;
  return inputs.length === 1 && input !== undefined && "tensor" in input && Object.keys(input).length === 1
    ? input
    : undefined;
}

/** Whether reading a part of the tensor costs the reading of all of it. */
export function isReadWhole(model: Model, task: WeightTask): boolean {
  return (
    isHeldWhole(task, (tensor) => model.tensor(tensor).shape) ||
    plannedSources(task).some((name) => model.tensor(name).linear !== undefined)
  );
}

/** The columns' importance for the rows from `row` on. */
export function importanceAt(
  importance: ColumnImportance | undefined,
  rows: Rows,
  row: number,
): Float32Array | undefined {
  if (importance === undefined || importance.length === rows.length) return importance;
  const matrix = Math.floor(row / rows.perMatrix);
  return importance.subarray(matrix * rows.length, (matrix + 1) * rows.length);
}
