/** The bytes of one output tensor, made in bands, each on its own. */
import { ConversionError, elementCount, rowLength as rowLengthOf } from "@requant/core";
import {
  isHeldWhole,
  openWeight,
  plannedSources,
  repackMxfp4Row,
  rowOrigins,
  type StoredInput,
  type WeightInput,
  type WeightReader,
  type WeightSource,
} from "@requant/models";
import { blockOf, codecOf, encoderOf } from "./encodings.ts";
import type { ErrorMeter } from "./error-meter.ts";
import type { Fidelity } from "./fidelity.ts";
import type { Model } from "./model.ts";
import { WorkArea, type WorkSizes } from "./work-area.ts";

/** The parts of a plan's tensor that say how its bytes are made. */
export interface WeightTask {
  readonly name: string;
  readonly shape: readonly number[];
  readonly to: string;
  readonly fidelity: Fidelity;
  readonly inputs: readonly WeightInput[];
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

/** A source of rows for `@requant/models`, from a model. */
export function weightSource(model: Model): WeightSource {
  return {
    shapeOf: (tensor) => model.tensor(tensor).shape,
    readRows: (tensor, start, end, out) => model.readRows(tensor, start, end, out),
  };
}

/** Encodings of the stored tensors behind some inputs, each once, in order. */
export function sourceEncodings(model: Model, task: Pick<WeightTask, "name" | "shape" | "inputs">): string[] {
  return [...new Set(plannedSources(task).map((name) => model.tensor(name).encoding))];
}

/** How the bands of a tensor are made, by what its inputs are and what becomes of them. */
export function bandMaker(model: Model, task: WeightTask, importance?: ColumnImportance): BandMaker {
  if (task.inputs.some((input) => "blocks" in input)) return repacked(model, task);
  const stored = plainInput(task);
  if (task.fidelity === "copy") return stored === undefined ? movedRows(model, task) : moved(model, stored);
  return encoded(model, task, importance);
}

/** Whether encoding changes values, so that the error is worth measuring. */
export function isMeasured({ fidelity, inputs }: WeightTask): boolean {
  return fidelity !== "copy" && fidelity !== "exact" && !inputs.some((input) => "blocks" in input);
}

/** The bands of a tensor, the same for everyone who asks: they do not depend on who makes them. */
export function* bandsOf(maker: BandMaker, bandByteLength: number): Generator<Band> {
  const { unitCount, unitsPerMatrix } = maker;
  const most = maker.mostUnits(bandByteLength);
  for (let start = 0; start < unitCount; ) {
    const matrixEnd = (Math.floor(start / unitsPerMatrix) + 1) * unitsPerMatrix;
    const end = Math.min(start + most, matrixEnd, unitCount);
    yield { start, end };
    start = end;
  }
}

/** The bytes of a tensor in order, band by band, each valid until the next is asked for. */
export async function* tensorBytes(
  model: Model,
  task: WeightTask,
  options: { readonly bandByteLength: number; readonly signal?: AbortSignal | undefined },
  measure?: ErrorMeter,
): AsyncGenerator<Uint8Array> {
  const maker = bandMaker(model, task);
  const area = new WorkArea(maker.sizes(Math.min(maker.mostUnits(options.bandByteLength), maker.unitCount)));
  try {
    for (const band of bandsOf(maker, options.bandByteLength)) {
      options.signal?.throwIfAborted();
      yield await maker.make(band, area, measure);
    }
  } finally {
    area.release();
  }
}

interface Rows {
  readonly count: number;
  readonly length: number;
  /** Rows of one matrix: what an importance matrix repeats over. */
  readonly perMatrix: number;
}

function rowsOf(shape: readonly number[]): Rows {
  const length = rowLengthOf(shape);
  const count = length === 0 ? 0 : elementCount(shape) / length;
  return { count, length, perMatrix: shape.length >= 3 ? (shape.at(-2) ?? count) : count };
}

/** What makers of whole rows have in common. */
function rowUnits(
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
function plainInput({ inputs }: WeightTask): StoredInput | undefined {
  const [input] = inputs;
  return inputs.length === 1 && input !== undefined && "tensor" in input && Object.keys(input).length === 1
    ? input
    : undefined;
}

/** Stored bytes as they lie. */
function moved(model: Model, { tensor }: StoredInput): BandMaker {
  const { byteLength } = model.tensor(tensor);
  return {
    unitCount: byteLength,
    unitByteLength: 1,
    unitsPerMatrix: Math.max(1, byteLength),
    mostUnits: (bandByteLength) => Math.max(1, bandByteLength),
    whole: false,
    sizes: (units) => ({ stored: 0, values: 0, decoded: 0, out: units }),
    async make({ start, end }, area) {
      await model.readInto(tensor, start, area.bytes("out", 0, end - start));
      return area.bytes("out", 0, end - start);
    },
  };
}

/** Whole rows of stored bytes in another order. */
function movedRows(model: Model, task: WeightTask): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const { unitByteLength } = units;
  const originOf = rowOrigins(task, (tensor) => model.tensor(tensor).shape);
  return {
    ...units,
    whole: false,
    sizes: (count) => ({ stored: 0, values: 0, decoded: 0, out: count * unitByteLength }),
    async make({ start, end }, area) {
      for (let row = start; row < end; ) {
        const first = originOf(row);
        let count = 1;
        while (row + count < end) {
          const next = originOf(row + count);
          if (next.tensor !== first.tensor || next.row !== first.row + count) break;
          count++;
        }
        const bytes = await model.readBytes(
          first.tensor,
          first.row * unitByteLength,
          (first.row + count) * unitByteLength,
        );
        area.bytes("out", (row - start) * unitByteLength, (row - start + count) * unitByteLength).set(bytes);
        row += count;
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    },
  };
}

/** Hugging Face's two MXFP4 tensors become ggml blocks: other bytes, the same values. */
function repacked(model: Model, task: WeightTask): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const scaleLength = rows.length / 32;
  const blockLength = scaleLength * 16;
  const blocksOf = new Map<string, string>();
  const inputs = task.inputs.map((input): StoredInput => {
    if (!("blocks" in input)) {
      throw new ConversionError("MXFP4 pairs cannot be joined with other tensors", { tensor: task.name });
    }
    const { blocks, scales, rows: taken, rowOrder } = input;
    blocksOf.set(scales, blocks);
    return { tensor: scales, ...(taken ? { rows: taken } : {}), ...(rowOrder ? { rowOrder } : {}) };
  });
  const originOf = rowOrigins({ ...task, inputs }, (tensor) => [
    model.tensor(tensor).byteLength / scaleLength,
    scaleLength,
  ]);
  return {
    ...units,
    whole: false,
    sizes: (count) => ({ stored: 0, values: 0, decoded: 0, out: count * units.unitByteLength }),
    async make({ start, end }, area) {
      for (let row = start; row < end; row++) {
        const { tensor, row: origin } = originOf(row);
        const codes = blocksOf.get(tensor) ?? "";
        const blocks = await model.readBytes(codes, origin * blockLength, (origin + 1) * blockLength);
        const scales = await model.readBytes(tensor, origin * scaleLength, (origin + 1) * scaleLength);
        const at = (row - start) * units.unitByteLength;
        repackMxfp4Row(blocks, scales, area.bytes("out", at, at + units.unitByteLength));
      }
      return area.bytes("out", 0, (end - start) * units.unitByteLength);
    },
  };
}

/** f32 bytes that are worked on at a time inside a band: they, their codes and the decoded ones fit a core's cache. */
const CACHED_BYTE_LENGTH = 128 * 1024;

/** Through f32: read, map, encode; with a measure the result is decoded again and compared. */
function encoded(model: Model, task: WeightTask, importance: ColumnImportance | undefined): BandMaker {
  const rows = rowsOf(task.shape);
  const units = rowUnits(task, rows);
  const { unitByteLength } = units;
  const codec = encoderOf(task.to, { tensor: task.name });
  const rowFloats = rows.length * Float32Array.BYTES_PER_ELEMENT;
  const step = Math.max(1, Math.floor(CACHED_BYTE_LENGTH / rowFloats));
  const direct = directRows(model, task, rows);
  const decodes = isMeasured(task);
  let reader: WeightReader | undefined;

  /** Rows `[start, end)`, whose values are given, to their place in the band that starts at `bandStart`. */
  function encodeRows(
    area: WorkArea,
    values: Float32Array,
    start: number,
    end: number,
    bandStart: number,
    measure: ErrorMeter | undefined,
  ): void {
    const out = area.bytes("out", (start - bandStart) * unitByteLength, (end - bandStart) * unitByteLength);
    codec.quantize(values, rows.length, out, importanceAt(importance, rows, start));
    if (measure === undefined) return;
    const back = area.floats("decoded", values.length);
    codec.dequantize(out, back);
    measure.add(values, back);
  }

  return {
    ...units,
    whole: isHeldWhole(task, (tensor) => model.tensor(tensor).shape),
    sizes: (count) => ({
      stored: direct === undefined ? 0 : count * direct.rowByteLength,
      values: (direct === undefined ? count : Math.min(count, step)) * rowFloats,
      decoded: decodes ? Math.min(count, step) * rowFloats : 0,
      out: count * unitByteLength,
    }),
    async make({ start, end }, area, measure) {
      if (direct === undefined) {
        reader ??= openWeight(task, weightSource(model));
        await reader.readRows(start, end, area.floats("values", (end - start) * rows.length));
      } else {
        await direct.read(start, area.bytes("stored", 0, (end - start) * direct.rowByteLength));
      }
      for (let row = start; row < end; row += step) {
        const last = Math.min(row + step, end);
        const length = (last - row) * rows.length;
        let values: Float32Array;
        if (direct === undefined) {
          const offset = (row - start) * rows.length;
          values = area.floats("values", offset + length).subarray(offset);
        } else {
          values = area.floats("values", length);
          direct.decode(
            area.bytes("stored", (row - start) * direct.rowByteLength, (last - start) * direct.rowByteLength),
            values,
          );
        }
        encodeRows(area, values, row, last, start, measure);
      }
      return area.bytes("out", 0, (end - start) * unitByteLength);
    },
  };
}

interface DirectRows {
  readonly rowByteLength: number;
  /** Stored rows from `row` on, as many as `target` holds. */
  read(row: number, target: Uint8Array): Promise<void>;
  decode(bytes: Uint8Array, values: Float32Array): void;
}

/** The stored rows of a tensor that become output rows one by one, where there is nothing in between. */
function directRows(model: Model, task: WeightTask, rows: Rows): DirectRows | undefined {
  const input = plainInput(task);
  if (input === undefined) return undefined;
  const { encoding, shape } = model.tensor(input.tensor);
  if (rowLengthOf(shape) !== rows.length) return undefined;
  const codec = codecOf(encoding, { tensor: input.tensor });
  if (rows.length % codec.blockSize !== 0) return undefined;
  const rowByteLength = (rows.length / codec.blockSize) * codec.blockByteLength;
  return {
    rowByteLength,
    read: (row, target) => model.readInto(input.tensor, row * rowByteLength, target),
    decode: (bytes, values) => codec.dequantize(bytes, values),
  };
}

function importanceAt(
  importance: ColumnImportance | undefined,
  rows: Rows,
  row: number,
): Float32Array | undefined {
  if (importance === undefined || importance.length === rows.length) return importance;
  const matrix = Math.floor(row / rows.perMatrix);
  return importance.subarray(matrix * rows.length, (matrix + 1) * rows.length);
}
