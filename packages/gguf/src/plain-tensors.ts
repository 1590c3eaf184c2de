import { GGML_NAME_BYTE_LENGTH, knownTensorType, TENSOR_DIMENSION_COUNT } from "./constants.ts";
import type { HeaderCursor } from "./cursor.ts";
import { type Shapes, sameShape, storedByteLength, type TensorEntry } from "./tensor-entry.ts";
import { decodeText } from "./text.ts";

/** Most bytes of an entry: the length and the name, the number of dimensions and the dimensions, a type and an offset. */
const MOST_BYTE_LENGTH = 8 + GGML_NAME_BYTE_LENGTH + 4 + 8 * TENSOR_DIMENSION_COUNT + 4 + 8;

/** Control characters, and all that ASCII lacks. */
const UNUSUAL = /[^\u0020-\u007e]/;

/** What was read of a table. */
export interface TableSoFar {
  readonly entries: TensorEntry[];
  readonly names: Set<string>;
  readonly shapes: Shapes;
}

/**
 * Reads entries as nearly all files have them, and stops before the first that is anything else: one that is not complete,
 * that must be refused, or that is a finding. The engine has not compiled this code when the first file is opened, and
 * runs one plain loop several times as fast as many small functions.
 */
export function readPlainEntries(
  { reader, limits }: HeaderCursor,
  count: number,
  { entries, names, shapes }: TableSoFar,
): void {
  const { bytes, littleEndian } = reader;
  if (!littleEndian) return;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const mostDimensions = Math.min(TENSOR_DIMENSION_COUNT, limits.dimensionCount);
  // a longer name is a finding
  const longest = Math.min(GGML_NAME_BYTE_LENGTH, limits.stringByteLength);
  while (entries.length < count) {
    const start = reader.offset;
    if (start + MOST_BYTE_LENGTH > bytes.byteLength) return;
    const nameByteLength = view.getUint32(start, true);
    if (nameByteLength === 0 || nameByteLength > longest) return;
    if (view.getUint32(start + 4, true) !== 0) return;
    let at = start + 8 + nameByteLength;
    const dimensionCount = view.getUint32(at, true);
    if (dimensionCount === 0 || dimensionCount > mostDimensions) return;
    at += 4;
    const sizes = new Array<number>(dimensionCount);
    for (let i = dimensionCount - 1; i >= 0; i--) {
      if (view.getUint32(at + 4, true) !== 0) return;
      sizes[i] = view.getUint32(at, true);
      at += 8;
    }
    const type = knownTensorType(view.getUint32(at, true));
    const byteLength = type && storedByteLength(sizes, type);
    const name = decodeText(bytes.subarray(start + 8, start + 8 + nameByteLength));
    if (type === undefined || byteLength === undefined || UNUSUAL.test(name) || names.has(name)) return;
    reader.seek(at + 4);
    const byteOffset = reader.u64("a tensor offset");
    names.add(name);
    entries.push({ name, shape: sameShape(sizes, shapes), type, byteOffset, byteLength });
  }
}
