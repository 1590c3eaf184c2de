/** The SIMD twins of `viewToBlocks` and `weightToBlocks` in `view/index.ts`: codes to blocks, tile by tile. */
import { checkBlockLengths, type LinearWeight } from "@requant/core/format";
import {
  descriptor,
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
import { checkRows, type IntegerView, isLevelView, type StoredView } from "@requant/core/view";
import * as reference from "../view/index.ts";
import type { GgufViewType } from "../view/view-type.ts";
import { kernelOf } from "./module.ts";
import { nibblesToBlocks } from "./nibbles.ts";
import { SPAN, spanGroups } from "./spans.ts";

/** The fields of the class `CodeTile` in assembly/grid-blocks.ts. */
interface CodeTile {
  readonly codes: number;
  readonly codeStep: number;
  readonly rows: number;
  readonly blocks: number;
  readonly groups: number;
  readonly groupCount: number;
  readonly scales: number;
  readonly zeros: number;
  readonly halves: number;
  readonly out: number;
  readonly outStep: number;
}

const placeCodeTile = /* @__PURE__ */ descriptor(
  ({ codes, codeStep, rows, blocks, groups, groupCount, scales, zeros, halves, out, outStep }: CodeTile) => [
    codes,
    codeStep,
    rows,
    blocks,
    groups,
    groupCount,
    scales,
    zeros,
    halves,
    out,
    outStep,
  ],
);

/**
 * A view's rows as blocks of a type: the same codes, and the same values, unless an offset or scale must be rounded (ask
 * `typeMisfit`). `out` holds exactly the rows.
 * @throws UsageError when codes or groups do not fit the type, or `out` has another length
 */
export function viewToBlocks(type: GgufViewType, view: StoredView, out: Uint8Array): void {
  if (!isLevelView(view) && view.columns % type.blockSize === 0) {
    checkBlockLengths(type, out.byteLength, view.rows * view.columns);
    if (viewToBlocksInKernel(type, view, out)) return;
  }
  reference.viewToBlocks(type, view, out);
}

/**
 * Rows `[rowStart, rowEnd)` of a stored weight as blocks of a type: what `viewToBlocks` makes of its view, in pieces that
 * stay in cache. `out` holds exactly the rows.
 * @throws UsageError as `viewToBlocks`
 */
export function weightToBlocks(
  type: GgufViewType,
  weight: LinearWeight,
  rowStart: number,
  rowEnd: number,
  out: Uint8Array,
): void {
  checkRows(rowStart, rowEnd, weight.rows);
  if (weight.columns % type.blockSize !== 0) {
    reference.weightToBlocks(type, weight, rowStart, rowEnd, out);
    return;
  }
  checkBlockLengths(type, out.byteLength, (rowEnd - rowStart) * weight.columns);
  const made = nibblesToBlocks(type, weight, rowStart, rowEnd, out);
  const rowByteLength = reference.blockRowsByteLength(type, 1, weight.columns);
  for (const [start, end] of [
    [rowStart, made.start],
    [made.end, rowEnd],
  ] as const) {
    const part = out.subarray((start - rowStart) * rowByteLength, (end - rowStart) * rowByteLength);
    if (start < end && !weightToBlocksInKernel(type, weight, start, end, part)) {
      viewToBlocks(type, weight.toView(start, end), part);
    }
  }
}

function kernelFor(type: GgufViewType, columns: number): Kernel | undefined {
  if (columns === 0 || columns % type.blockSize !== 0 || columns / SPAN > LIST_LENGTH) return undefined;
  return kernelOf(`gridTo${type.name}`);
}

/** Scales, zero points and scales as f16; undefined where a scale is not finite. */
function placed(scales: Float32Array, zeros: Int16Array): PlacedParameters | undefined {
  const at = placeParameters(scales, zeros);
  const halvesOf = kernelOf("halvesOf");
  return halvesOf?.(at.scales, at.count, at.halves) === 0 ? at : undefined;
}

/**
 * All rows of a view as blocks. False where there is no kernel, or where a value might not fit: the contents of `out` are
 * then invalid.
 */
function viewToBlocksInKernel(type: GgufViewType, view: IntegerView, out: Uint8Array): boolean {
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
    const tile = {
      ...at,
      codes: codesAt,
      codeStep: columns,
      rows: count,
      blocks: columns / SPAN,
      groups: placeList(spans),
      groupCount,
      out: outAt,
      outStep: rowByteLength,
    };
    if (kernel(placeCodeTile(tile)) !== 0) return false;
    if (outAddress === undefined) out.set(new Uint8Array(buffer, outAt, count * rowByteLength), to);
  }
  return true;
}

/** Rows `[rowStart, rowEnd)` of a weight as blocks, without a view of all their columns; false as above. */
function weightToBlocksInKernel(
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
      const tile = {
        ...at,
        codes: tileOffset(0),
        codeStep: width,
        rows: count,
        blocks: width / SPAN,
        groups: placeList(spans),
        groupCount,
        out: blocksAt,
        outStep: rowByteLength,
      };
      if (kernel(placeCodeTile(tile)) !== 0) return false;
    }
    if (outAddress === undefined) out.set(new Uint8Array(buffer, rowsAt, count * rowByteLength), to);
  }
  return true;
}
