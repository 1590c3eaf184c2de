/** The SIMD twins of `viewToBlocks`: codes to blocks, tile by tile. */
import type { LinearWeight } from "@requant/core/format";
import {
  type Kernel,
  kernelAddress,
  kernelMemory,
  LIST_LENGTH,
  type PlacedParameters,
  placeList,
  placeParameters,
  TILE_BYTE_LENGTH,
  tileCodes,
  tileOffset,
  tileShape,
} from "@requant/core/kernels";
import type { IntegerView } from "@requant/core/view";
import { kernelOf } from "../kernels.ts";
import type { GgufViewType } from "./view-type.ts";

/** Columns that the kernels want of one group each. */
export const SPAN = 32;

/** For each 32 columns their group; undefined where a group ends between. */
export function spanGroups(groupOfColumn: Int32Array): Int32Array | undefined {
  const spans = new Int32Array(groupOfColumn.length / SPAN);
  for (let span = 0, column = 0; span < spans.length; span++) {
    const group = groupOfColumn[column]!;
    spans[span] = group;
    for (const end = column + SPAN; column < end; column++) {
      if (groupOfColumn[column] !== group) return undefined;
    }
  }
  return spans;
}

function kernelFor(type: GgufViewType, columns: number): Kernel | undefined {
  if (columns === 0 || columns % type.blockSize !== 0 || columns / SPAN > LIST_LENGTH) return undefined;
  return kernelOf(`gridTo${type.name}`);
}

/** Scales, zero points and scales as f16; undefined where one is no finite number. */
function placed(scales: Float32Array, zeros: Int16Array): PlacedParameters | undefined {
  const at = placeParameters(scales, zeros);
  const halvesOf = kernelOf("halvesOf");
  return halvesOf?.(at.scales, at.count, at.halves) === 0 ? at : undefined;
}

/**
 * All rows of a view as blocks. False where no kernel can, or where something might not fit: what is in `out` then does
 * not count.
 */
export function viewToBlocksInKernel(type: GgufViewType, view: IntegerView, out: Uint8Array): boolean {
  const { rows, columns, groupCount, codes, scales, zeros, groupOfColumn } = view;
  const kernel = kernelFor(type, columns);
  if (kernel === undefined) return false;
  const spans = spanGroups(groupOfColumn);
  const rowByteLength = (columns / type.blockSize) * type.blockByteLength;
  const step = Math.floor(TILE_BYTE_LENGTH / Math.max(columns, rowByteLength, 8 * groupCount));
  if (spans === undefined || step === 0) return false;
  const { buffer } = kernelMemory();
  const codesAddress = kernelAddress(codes);
  const outAddress = kernelAddress(out);
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const groups = [row * groupCount, (row + count) * groupCount] as const;
    const at = placed(scales.subarray(...groups), zeros.subarray(...groups));
    if (at === undefined) return false;
    const from = row * columns;
    const length = count * columns;
    if (codesAddress === undefined) tileCodes(length).set(codes.subarray(from, from + length));
    const codesAt = codesAddress === undefined ? tileOffset(0) : codesAddress + from;
    const to = row * rowByteLength;
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + to;
    const list = placeList(spans);
    const args = [list, groupCount, at.scales, at.zeros, at.halves, outAt, rowByteLength] as const;
    if (kernel(codesAt, columns, count, columns / SPAN, ...args) !== 0) return false;
    if (outAddress === undefined) out.set(new Uint8Array(buffer, outAt, count * rowByteLength), to);
  }
  return true;
}

/** Rows `[rowStart, rowEnd)` of a weight as blocks, without a view of all their columns; false as above. */
export function weightToBlocksInKernel(
  type: GgufViewType,
  weight: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): boolean {
  const { columns } = weight;
  const { blockSize, blockByteLength } = type;
  const kernel = kernelFor(type, columns);
  if (kernel === undefined) return false;
  if (rowStart === rowEnd) return true;
  const { groupCount } = weight.toView(rowStart, rowStart, { codes: new Uint8Array(0) });
  const shape = tileShape(weight, groupCount, blockSize);
  const rowByteLength = (columns / blockSize) * blockByteLength;
  const outAddress = kernelAddress(out);
  const mostRows =
    outAddress === undefined ? Math.floor(TILE_BYTE_LENGTH / rowByteLength) : rowEnd - rowStart;
  if (shape === undefined || mostRows === 0) return false;
  const step = Math.min(shape.rows, mostRows > SPAN ? mostRows - (mostRows % SPAN) : mostRows);
  const { buffer } = kernelMemory();
  for (let row = rowStart; row < rowEnd; row += step) {
    const end = Math.min(row + step, rowEnd);
    const count = end - row;
    const to = (row - rowStart) * rowByteLength;
    const rowsAt = outAddress === undefined ? tileOffset(1) : outAddress + to;
    let at: PlacedParameters | undefined;
    for (let column = 0; column < columns; column += shape.columns) {
      const columnEnd = Math.min(column + shape.columns, columns);
      const width = columnEnd - column;
      const part = { codes: tileCodes(count * width), columnStart: column, columnEnd };
      const { scales, zeros, groupOfColumn } = weight.toView(row, end, part);
      const spans = spanGroups(groupOfColumn);
      if (spans === undefined) return false;
      at ??= placed(scales, zeros);
      if (at === undefined) return false;
      const blocksAt = rowsAt + (column / blockSize) * blockByteLength;
      const args = [
        placeList(spans),
        groupCount,
        at.scales,
        at.zeros,
        at.halves,
        blocksAt,
        rowByteLength,
      ] as const;
      if (kernel(tileOffset(0), width, count, width / SPAN, ...args) !== 0) return false;
    }
    if (outAddress === undefined) out.set(new Uint8Array(buffer, rowsAt, count * rowByteLength), to);
  }
  return true;
}
