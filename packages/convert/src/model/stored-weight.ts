/** One weight of a model, read by rows or as a view, however its files store it. */
import { type ErrorPlace, elementCount, rowCount, UnsupportedError, UsageError } from "@requant/core";
import type { Examination, OpenedWeight } from "@requant/core/format";
import type { Reformed, StoredView } from "@requant/core/view";
import { blocksToView, viewSourceByName } from "@requant/gguf";
import { codecOf, knownCodec } from "./encodings.ts";
import type { ModelTensor } from "./model-tensor.ts";
import type { LinearReads } from "./packed-reads.ts";
import type { PagedReads } from "./paged-reads.ts";

/** A weight as the files of a model store it. */
export interface StoredWeight {
  readonly tensor: ModelTensor;
  /** Rows `[rowStart, rowEnd)` as f32; `out` holds exactly those. A tensor is `rowCount × rowLength` of its shape. */
  readRows(rowStart: number, rowEnd: number, out: Float32Array): Promise<void>;
  /**
   * Rows `[rowStart, rowEnd)` of a matrix as a view, or why there is none. Of a packed weight all parts are read and kept
   * until another weight is asked for. `unscaled`: without the scale of the whole weight.
   */
  readView(rowStart: number, rowEnd: number, unscaled?: boolean): Promise<Reformed<StoredView>>;
  /** Set where several stored tensors make the weight. */
  readonly packed?: PackedReads | undefined;
  /** Set where each row is whole blocks of one stored tensor. */
  readonly stored?: StoredRows | undefined;
}

/** Rows that are read as they are stored, and decoded apart from that: a few at a time stay in a core's cache. */
export interface StoredRows {
  readonly encoding: string;
  readonly rowByteLength: number;
  /** Fills `target` with the bytes of the rows from `rowStart` on. */
  read(rowStart: number, target: Uint8Array): Promise<void>;
  /** The values of whole rows. */
  decode(bytes: Uint8Array, out: Float32Array): void;
}

/** What only a packed weight can. */
export interface PackedReads {
  /** Measures the weight from its small parts; once. @throws FormatError when they make no sense */
  examine(): Promise<Examination>;
  /**
   * Hands the opened weight to `work`, which must be done with it when it returns. `rowEnd`: where the rows end that are
   * wanted of it; after its last row the memory of its parts may serve another weight.
   */
  use<T>(rowEnd: number, work: (weight: OpenedWeight) => T): Promise<T>;
  /** Keeps the parts in memory once they are read, for several readings. @returns a function that ends this */
  hold(): () => void;
}

/** A weight whose parts `reads` opens. */
export function packedWeightOf(tensor: ModelTensor, reads: LinearReads): StoredWeight {
  const { name, shape } = tensor;
  const rows = rowCount(shape);
  const use: PackedReads["use"] = (rowEnd, work) => reads.use(name, work, rowEnd === rows);
  return {
    tensor,
    packed: { examine: () => reads.examine(name), use, hold: () => reads.hold(name) },
    readRows: (rowStart, rowEnd, out) => use(rowEnd, (weight) => weight.dequantize(rowStart, rowEnd, out)),
    async readView(rowStart, rowEnd, unscaled) {
      const view = await use(rowEnd, (weight) => viewOf(weight, rowStart, rowEnd, unscaled));
      if (view !== undefined) return { view };
      const { noView } = await reads.examine(name);
      return { misfit: noView ?? { reason: "its numbers are not levels of a table times a scale" } };
    },
  };
}

/** Rows of an opened weight as the view that it has; undefined where it has none. */
export function viewOf(
  weight: OpenedWeight,
  rowStart: number,
  rowEnd: number,
  unscaled = false,
): StoredView | undefined {
  if (weight.toView !== undefined) return weight.toView(rowStart, rowEnd);
  return unscaled ? weight.toUnscaled?.(rowStart, rowEnd) : weight.toLevels?.(rowStart, rowEnd);
}

/** A weight that is one stored tensor of numbers or blocks. `path`: of the model, for errors. */
export function blockWeightOf(
  tensor: ModelTensor,
  reads: PagedReads<ModelTensor>,
  path: string,
): StoredWeight {
  const { name, shape, encoding } = tensor;
  const place: ErrorPlace = { tensor: name, path };
  const length = shape.at(-1) ?? 1;
  return {
    tensor,
    stored: storedRowsOf(tensor, reads),
    async readRows(rowStart, rowEnd, out) {
      const [start, end] = [rowStart * length, rowEnd * length];
      checkRowsInside(tensor, rowStart, rowEnd);
      const codec = codecOf(encoding, place);
      if (start % codec.blockSize !== 0 || end % codec.blockSize !== 0) {
        throw new UnsupportedError(
          `Rows of ${length} weights are not whole ${codec.name} blocks of ${codec.blockSize}.`,
          place,
        );
      }
      const byteStart = (start / codec.blockSize) * codec.blockByteLength;
      const byteEnd = (end / codec.blockSize) * codec.blockByteLength;
      await reads.use(tensor, byteStart, byteEnd, (bytes) => codec.dequantize(bytes, out));
    },
    async readView(rowStart, rowEnd) {
      const type = viewSourceByName(encoding);
      if (type === undefined) {
        return { misfit: { reason: `${encoding} does not store the levels of a table times a scale` } };
      }
      checkRowsInside(tensor, rowStart, rowEnd);
      const rowByteLength = (length / type.blockSize) * type.blockByteLength;
      return reads.use(tensor, rowStart * rowByteLength, rowEnd * rowByteLength, (bytes) => ({
        view: blocksToView(type, bytes, rowEnd - rowStart, length),
      }));
    },
  };
}

function storedRowsOf(tensor: ModelTensor, reads: PagedReads<ModelTensor>): StoredRows | undefined {
  const codec = knownCodec(tensor.encoding);
  const length = tensor.shape.at(-1) ?? 1;
  if (codec === undefined || length % codec.blockSize !== 0) return undefined;
  const rowByteLength = (length / codec.blockSize) * codec.blockByteLength;
  return {
    encoding: tensor.encoding,
    rowByteLength,
    async read(rowStart, target) {
      checkRowsInside(tensor, rowStart, rowStart + target.byteLength / rowByteLength);
      await reads.into(tensor, rowStart * rowByteLength, target);
    },
    decode: (bytes, out) => codec.dequantize(bytes, out),
  };
}

/** @throws UsageError where rows are asked for that a tensor does not have */
function checkRowsInside({ name, shape }: ModelTensor, start: number, end: number): void {
  const isRange = Number.isSafeInteger(start) && Number.isSafeInteger(end) && 0 <= start && start <= end;
  if (isRange && end * (shape.at(-1) ?? 1) <= elementCount(shape)) return;
  throw new UsageError(`Rows [${start}, ${end}) are not inside the shape [${shape.join(", ")}].`, {
    tensor: name,
  });
}
