/** Reads the bytes of tensors from the parts of a model. */
import { type ByteSource, type TensorInfo, UsageError } from "@requant/core";
import { tensorTypeByName } from "./constants.ts";
import { swapBlocks } from "./endian.ts";

/** A tensor and the part that holds it. */
export interface GgufTensorInfo extends TensorInfo {
  /** Index into `parts` of the file that holds it. */
  readonly part: number;
}

/** How the bytes of tensors are read. */
export interface GgufReads {
  /** Bytes `[start, end)` of a tensor as little-endian blocks, whatever the file's byte order. Do not write to them.
   * @throws UsageError when the range is not inside the tensor; IoError
   */
  read(tensor: GgufTensorInfo, start: number, end: number): Promise<Uint8Array>;
  /** Fills `target` with the same bytes from `start` on; little-endian files are read straight into it. */
  readInto(tensor: GgufTensorInfo, start: number, target: Uint8Array): Promise<void>;
  /** Closes the files of all parts. */
  close(): Promise<void>;
}

/** What reading the bytes of a part takes. */
interface PartBytes {
  readonly source: ByteSource;
  readonly littleEndian: boolean;
}

/** The functions keep no tensors in memory: who needs no other fact of the headers lets go of them. */
export function readsOf(files: readonly PartBytes[]): GgufReads {
  return {
    read: (tensor, start, end) => readTensor(files, tensor, start, end),
    readInto: (tensor, start, target) => readTensorInto(files, tensor, start, target),
    async close() {
      await Promise.all(files.map(({ source }) => source.close()));
    },
  };
}

/** The part that holds bytes `[start, end)` of a tensor. */
function partOf(parts: readonly PartBytes[], tensor: GgufTensorInfo, start: number, end: number): PartBytes {
  const part = parts[tensor.part];
  if (part !== undefined && isRange(start, end, tensor.byteLength)) return part;
  throw new UsageError(`Bytes ${start} to ${end} are not inside the tensor's ${tensor.byteLength}.`, {
    tensor: tensor.name,
  });
}

async function readTensor(
  parts: readonly PartBytes[],
  tensor: GgufTensorInfo,
  start: number,
  end: number,
): Promise<Uint8Array> {
  const { source, littleEndian } = partOf(parts, tensor, start, end);
  const type = tensorTypeByName(tensor.encoding);
  if (littleEndian || type.fields.length === 0) {
    return source.read(tensor.byteOffset + start, tensor.byteOffset + end);
  }
  const width = type.blockByteLength;
  const from = start - (start % width);
  const to = Math.ceil(end / width) * width;
  const blocks = await source.read(tensor.byteOffset + from, tensor.byteOffset + to);
  return swapBlocks(blocks, type).subarray(start - from, end - from);
}

async function readTensorInto(
  parts: readonly PartBytes[],
  tensor: GgufTensorInfo,
  start: number,
  target: Uint8Array,
): Promise<void> {
  const end = start + target.byteLength;
  const { source, littleEndian } = partOf(parts, tensor, start, end);
  if (littleEndian) await source.readInto(target, tensor.byteOffset + start);
  else target.set(await readTensor(parts, tensor, start, end));
}

function isRange(start: number, end: number, byteLength: number): boolean {
  return (
    Number.isSafeInteger(start) &&
    Number.isSafeInteger(end) &&
    start >= 0 &&
    start <= end &&
    end <= byteLength
  );
}
