/** The values of planned weights a band at a time, in memory where kernels work, which serves one weight after the other. */
import { elementCount, rowCount, rowLength } from "@requant/core";
import { allocateKernelBuffer, type KernelBuffer } from "@requant/core/kernels";
import { openWeight, type WeightPlan } from "@requant/models";
import type { Model } from "./model.ts";
import { BAND_BYTE_LENGTH, type RowBand, rowBands } from "./row-bands.ts";
import type { StoredRows } from "./stored-weight.ts";
import { weightSource } from "./weight-source.ts";

/** One weight. */
export interface WeightBands {
  /** Values of all rows. */
  readonly count: number;
  /** The bands to read, in order. */
  readonly bands: readonly RowBand[];
  /** Reads a band. */
  read(band: RowBand): Promise<void>;
  /** The rows of a band, as many at a time as have values that fit a core's cache. */
  steps(band: RowBand): Iterable<RowBand>;
  /** Values of some rows of the band that was read last; valid until the next call. */
  values(rows: RowBand): Float32Array;
  /** Set where rows are decoded as they are stored. The same bytes of the same encoding have the same values. */
  readonly stored?: EncodedRows | undefined;
}

/** Stored rows. */
export interface EncodedRows {
  readonly encoding: string;
  /** Of some rows of the band that was read last. */
  bytes(rows: RowBand): Uint8Array;
}

/** Memory for one band of any weight of a list. */
export interface WeightMemory {
  open(plan: WeightPlan): WeightBands;
  /** Gives the memory back. All reads must be done. */
  release(): void;
}

/** f32 bytes of the rows of a step: they, their stored bytes and those of a second weight fit a core's cache. */
const STEP_BYTE_LENGTH = 128 * 1024;

/** Memory for the weights of a model with these plans. Who needs several of these makes them without a wait in between. */
export function weightMemory(model: Model, plans: Iterable<WeightPlan>): WeightMemory {
  const most = { stored: 0, values: 0 };
  for (const plan of plans) {
    const stored = storedRows(model, plan);
    const length = rowLength(plan.shape);
    const rows = Math.min(rowsIn(BAND_BYTE_LENGTH, length), rowCount(plan.shape));
    most.stored = Math.max(most.stored, rows * (stored?.rowByteLength ?? 0));
    const decoded = stored === undefined ? rows : Math.min(rowsIn(STEP_BYTE_LENGTH, length), rows);
    most.values = Math.max(most.values, decoded * length);
  }
  const stored = allocateKernelBuffer(Math.ceil(most.stored / 4) * 4);
  const values = allocateKernelBuffer(4 * most.values);
  return {
    open(plan) {
      const rows = storedRows(model, plan);
      const length = rowLength(plan.shape);
      const work = rows === undefined ? computed(model, plan, values) : decoded(rows, length, stored, values);
      const steps = (band: RowBand) => rowBands(plan.shape, { byteLength: STEP_BYTE_LENGTH, rows: band });
      return { count: elementCount(plan.shape), bands: [...rowBands(plan.shape)], steps, ...work };
    },
    release() {
      stored.release();
      values.release();
    },
  };
}

/** One at least. */
function rowsIn(byteLength: number, length: number): number {
  return Math.max(1, Math.floor(byteLength / (4 * length)));
}

/** Set where the weight is one stored tensor, row by row. */
function storedRows(model: Model, { inputs, shape }: WeightPlan): StoredRows | undefined {
  const [input] = inputs;
  if (input === undefined || inputs.length > 1 || !("tensor" in input)) return undefined;
  const isWhole = Object.keys(input).length === 1;
  if (!isWhole || rowLength(model.tensor(input.tensor).shape) !== rowLength(shape)) return undefined;
  return model.weight(input.tensor).stored;
}

type Work = Pick<WeightBands, "read" | "values" | "stored">;

function decoded(rows: StoredRows, length: number, stored: KernelBuffer, values: KernelBuffer): Work {
  const { rowByteLength, encoding } = rows;
  let first = 0;
  const bytesOf = ({ start, end }: RowBand): Uint8Array =>
    stored.bytes((start - first) * rowByteLength, (end - first) * rowByteLength);
  return {
    async read({ start, end }) {
      first = start;
      await rows.read(start, stored.bytes(0, (end - start) * rowByteLength));
    },
    values(some) {
      const out = values.floats(0, (some.end - some.start) * length);
      rows.decode(bytesOf(some), out);
      return out;
    },
    stored: { encoding, bytes: bytesOf },
  };
}

/** The whole band is computed when it is read. */
function computed(model: Model, plan: WeightPlan, values: KernelBuffer): Work {
  const reader = openWeight(plan, weightSource(model));
  const length = rowLength(plan.shape);
  let first = 0;
  return {
    async read({ start, end }) {
      first = start;
      await reader.readRows(start, end, values.floats(0, (end - start) * length));
    },
    values: ({ start, end }) => values.floats((start - first) * length, (end - first) * length),
  };
}
