/** A tensor is made in bands of rows. Each band is made independently of the others. */
import { elementCount, rowLength as rowLengthOf } from "@requant/core";
import { blockOf } from "../model/encodings.ts";
import type { Model } from "../model/model.ts";
import type { PlanTensor } from "../plan/plan.ts";
import type { ErrorMeter } from "./error-meter.ts";
import type { MatrixGuide, WeightGuide } from "./guides.ts";
import { noWork, type WorkArea, type WorkSizes } from "./work-area.ts";

/** Units `[start, end)` of a tensor: rows, or single bytes where stored bytes are moved as they lie. */
export interface Band {
  readonly start: number;
  readonly end: number;
}

/** How a tensor is cut into bands. The plan alone decides it, so any machine cuts it the same way. */
export interface BandLayout {
  readonly unitCount: number;
  readonly unitByteLength: number;
  /** Units after which a band must end: the matrices of a stack, which have an importance each. */
  readonly unitsPerMatrix: number;
  /** Largest number of units whose f32 values fit in `bandByteLength`; at least one. */
  mostUnits(bandByteLength: number): number;
  /** Memory that a band of `units` units needs. */
  sizes(units: number): WorkSizes;
}

/**
 * Makes the bytes of one band, in `area`: valid until the next one is made there. The meter gets the values before and after
 * encoding where encoding changes them, else only the values that must be finite.
 */
export type MakeBand = (band: Band, area: WorkArea, meter: ErrorMeter | undefined) => Promise<Uint8Array>;

/** One way of making a tensor. */
export interface WayRunner {
  layout(task: PlanTensor): BandLayout;
  /** Makes the bands of one tensor, in any order. */
  maker(model: Model, task: PlanTensor, guide: WeightGuide | undefined): MakeBand;
}

/** The bands of a tensor, in order. They depend on the plan and the band length only, not on the machine or the worker. */
export function* bandsOf(layout: BandLayout, bandByteLength: number): Generator<Band> {
  const { unitCount, unitsPerMatrix } = layout;
  const most = layout.mostUnits(bandByteLength);
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
  /** Rows of one matrix: of a stack, each has its own guide. */
  readonly perMatrix: number;
}

export function rowsOf(shape: readonly number[]): Rows {
  const length = rowLengthOf(shape);
  const count = length === 0 ? 0 : elementCount(shape) / length;
  return { count, length, perMatrix: shape.length >= 3 ? (shape.at(-2) ?? count) : count };
}

/** Bands of whole rows. */
export function rowUnits(task: PlanTensor, rows: Rows): Omit<BandLayout, "sizes"> {
  const block = blockOf(task.to, { tensor: task.name });
  return {
    unitCount: rows.count,
    unitByteLength: (rows.length / block.blockSize) * block.blockByteLength,
    unitsPerMatrix: Math.max(1, rows.perMatrix),
    mostUnits: (bandByteLength) =>
      Math.max(1, Math.floor(bandByteLength / (rows.length * Float32Array.BYTES_PER_ELEMENT))),
  };
}

/** Bands of bytes. A band needs memory for its own bytes only. */
export function byteUnits(byteLength: number): BandLayout {
  return {
    unitCount: byteLength,
    unitByteLength: 1,
    unitsPerMatrix: Math.max(1, byteLength),
    mostUnits: (bandByteLength) => Math.max(1, bandByteLength),
    sizes: (units) => ({ ...noWork, out: units }),
  };
}

/** What guides the rows from `row` on. */
export async function guideAt(guide: WeightGuide | undefined, rows: Rows, row: number): Promise<MatrixGuide> {
  return guide === undefined ? {} : guide.at(Math.floor(row / rows.perMatrix));
}
