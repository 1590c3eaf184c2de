/** The SIMD twins of `grid.ts`. */
import { coreKernels } from "./core-kernels.ts";
import {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  scratchOffset,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./memory.ts";
import type { Kernel } from "./module.ts";
import {
  type GridArrays,
  LIST_LENGTH,
  placeList,
  placeParameters,
  type TiledWeight,
  tileCodes,
  tileShape,
} from "./tiles.ts";

/** Numbers of one run of columns in a list: group, first column, end. */
const RUN_LENGTH = 3;
/** Numbers of runs that the kernel takes at a time. */
const MOST_RUNS = LIST_LENGTH - (LIST_LENGTH % RUN_LENGTH);

interface GridKernels {
  readonly dequantize: Kernel;
  readonly round: Kernel;
}

function gridKernels(): GridKernels | undefined {
  const dequantize = coreKernels.kernel("dequantizeGrid");
  const round = coreKernels.kernel("roundToHalf");
  return dequantize && round && { dequantize, round };
}

function runList(groupOfColumn: Int32Array): Int32Array {
  const list: number[] = [];
  for (let start = 0, column = 1; column <= groupOfColumn.length; column++) {
    if (column < groupOfColumn.length && groupOfColumn[column] === groupOfColumn[start]) continue;
    list.push(groupOfColumn[start]!, start, column);
    start = column;
  }
  return Int32Array.from(list);
}

/** A grid whose parameters were placed: codes and values wherever they lie in the memory of the kernels. */
function dequantizeAt(
  { dequantize, round }: GridKernels,
  grid: Pick<GridArrays, "rows" | "columns" | "groupCount" | "rounding">,
  runs: Int32Array,
  codes: number,
  parameters: { readonly scales: number; readonly zeros: number },
  out: number,
  outStep: number,
): void {
  const { rows, columns, groupCount, rounding } = grid;
  const { scales, zeros } = parameters;
  for (let start = 0; start < runs.length; start += MOST_RUNS) {
    const some = runs.subarray(start, start + MOST_RUNS);
    const count = some.length / RUN_LENGTH;
    dequantize(codes, columns, rows, placeList(some), count, scales, zeros, groupCount, out, outStep);
  }
  if (rounding === "none") return;
  for (let row = 0; row < rows; row++) round(out + row * outStep, columns);
}

/** `rows` rows of a grid from `rowStart` on; false where there is no kernel for it. */
export function dequantizeInKernel(
  grid: GridArrays,
  out: Float32Array,
  rowStart: number,
  rows: number,
): boolean {
  const kernels = gridKernels();
  const { columns, groupCount, codes, scales, zeros } = grid;
  const most = Math.floor(TILE_BYTE_LENGTH / Math.max(4 * columns, 8 * groupCount));
  if (kernels === undefined || most === 0 || columns === 0) return false;
  const { buffer } = kernelMemory();
  const codesAddress = kernelAddress(codes);
  const outAddress = kernelAddress(out);
  const runs = runList(grid.groupOfColumn);
  // what is copied stays in the first-level cache
  const step = Math.min(most, Math.max(1, Math.floor(SCRATCH_BYTE_LENGTH / (4 * columns))));
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const from = (rowStart + row) * columns;
    const end = from + count * columns;
    const groups = [(rowStart + row) * groupCount, (rowStart + row + count) * groupCount] as const;
    const parameters = placeParameters(scales.subarray(...groups), zeros.subarray(...groups));
    if (codesAddress === undefined) tileCodes(end - from).set(codes.subarray(from, end));
    const codesAt = codesAddress === undefined ? tileOffset(0) : codesAddress + from;
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + 4 * row * columns;
    dequantizeAt(kernels, { ...grid, rows: count }, runs, codesAt, parameters, outAt, 4 * columns);
    if (outAddress === undefined) {
      out.set(new Float32Array(buffer, outAt, count * columns), row * columns);
    }
  }
  return true;
}

/** Rows of a stored weight as f32, tile by tile; false where there is no kernel for it. */
export function dequantizeInTiles(
  weight: TiledWeight,
  rowStart: number,
  rowEnd: number,
  out: Float32Array,
): boolean {
  const kernels = gridKernels();
  if (kernels === undefined || rowStart === rowEnd) return kernels !== undefined;
  const { columns } = weight;
  const { groupCount } = weight.toView(0, 0, {
    codes: new Uint8Array(0),
    columnStart: 0,
    columnEnd: columns,
  });
  const shape = tileShape(weight, groupCount, 1);
  if (shape === undefined) return false;
  const { buffer } = kernelMemory();
  const outAddress = kernelAddress(out);
  const most = outAddress === undefined ? Math.floor(TILE_BYTE_LENGTH / (4 * shape.columns)) : shape.rows;
  const rows = Math.min(shape.rows, most);
  if (rows === 0) return false;
  /** Of each tile across. */
  const runs: Int32Array[] = [];
  for (let row = rowStart; row < rowEnd; row += rows) {
    const end = Math.min(row + rows, rowEnd);
    let parameters: ReturnType<typeof placeParameters> | undefined;
    for (let column = 0, tile = 0; column < columns; column += shape.columns, tile++) {
      const columnEnd = Math.min(column + shape.columns, columns);
      const width = columnEnd - column;
      const grid = weight.toView(row, end, {
        codes: tileCodes((end - row) * width),
        columnStart: column,
        columnEnd,
      });
      parameters ??= placeParameters(grid.scales, grid.zeros);
      const list = runs[tile] ?? runList(grid.groupOfColumn);
      runs[tile] = list;
      const to = (row - rowStart) * columns + column;
      if (outAddress !== undefined) {
        dequantizeAt(kernels, grid, list, tileOffset(0), parameters, outAddress + 4 * to, 4 * columns);
        continue;
      }
      dequantizeAt(kernels, grid, list, tileOffset(0), parameters, tileOffset(1), 4 * width);
      for (let i = 0; i < end - row; i++) {
        out.set(new Float32Array(buffer, tileOffset(1) + 4 * i * width, width), to + i * columns);
      }
    }
  }
  return true;
}

/** All bits that occur in any of the bytes, together; undefined without a kernel. */
export function orOfBytes(bytes: Uint8Array): number | undefined {
  const kernel = coreKernels.kernel("orOfBytes");
  if (kernel === undefined) return undefined;
  const address = kernelAddress(bytes);
  if (address !== undefined) return kernel(address, bytes.length);
  let all = 0;
  for (let start = 0; start < bytes.length; start += SCRATCH_BYTE_LENGTH) {
    const part = bytes.subarray(start, start + SCRATCH_BYTE_LENGTH);
    new Uint8Array(kernelMemory().buffer, scratchOffset(0), part.length).set(part);
    all |= kernel(scratchOffset(0), part.length);
  }
  return all;
}
