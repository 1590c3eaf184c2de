/** The SIMD twin of `dequantizeView` in `view/integer-view.ts`. */
import * as reference from "../view/integer-view.ts";
import { coreKernels } from "./core-kernels.ts";
import { descriptor } from "./descriptor.ts";
import { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";
import type { Kernel } from "./module.ts";
import { LIST_LENGTH, type PlacedParameters, placeList, placeParameters, tileCodes } from "./tiles.ts";

/** Numbers of one run of columns in a list: group, first column, end. */
const RUN_LENGTH = 3;
/** Numbers of runs that the kernel takes at a time. */
const MOST_RUNS = LIST_LENGTH - (LIST_LENGTH % RUN_LENGTH);

/** The fields of the class `GridRuns` in assembly/grid.ts. */
interface GridRuns {
  readonly codes: number;
  readonly codeStep: number;
  readonly rows: number;
  readonly runs: number;
  readonly runCount: number;
  readonly scales: number;
  readonly zeros: number;
  readonly groupCount: number;
  readonly out: number;
  readonly outStep: number;
}

const placeGridRuns = /* @__PURE__ */ descriptor(
  ({ codes, codeStep, rows, runs, runCount, scales, zeros, groupCount, out, outStep }: GridRuns) => [
    codes,
    codeStep,
    rows,
    runs,
    runCount,
    scales,
    zeros,
    groupCount,
    out,
    outStep,
  ],
);

export interface GridKernels {
  readonly dequantize: Kernel;
  readonly round: Kernel;
}

/** Undefined where a kernel is missing: they only work together. */
export function gridKernels(): GridKernels | undefined {
  const dequantize = coreKernels.kernel("dequantizeGrid");
  const round = coreKernels.kernel("roundToHalf");
  return dequantize && round && { dequantize, round };
}

/** Runs of columns of one group: group, first column, end of each. */
export function runList(groupOfColumn: Int32Array): Int32Array {
  const list: number[] = [];
  for (let start = 0, column = 1; column <= groupOfColumn.length; column++) {
    if (column < groupOfColumn.length && groupOfColumn[column] === groupOfColumn[start]) continue;
    list.push(groupOfColumn[start]!, start, column);
    start = column;
  }
  return Int32Array.from(list);
}

/** Where in the kernels' memory the rows of a view are, and where their values go. */
export interface PlacedRows {
  readonly view: Pick<reference.IntegerView, "rows" | "columns" | "groupCount" | "rounding">;
  readonly runs: Int32Array;
  readonly codes: number;
  readonly parameters: PlacedParameters;
  readonly out: number;
  /** Bytes from row to row. */
  readonly outStep: number;
}

export function dequantizePlaced(
  { dequantize, round }: GridKernels,
  { view, runs, codes, parameters, out, outStep }: PlacedRows,
): void {
  const { rows, columns, groupCount, rounding } = view;
  const { scales, zeros } = parameters;
  for (let start = 0; start < runs.length; start += MOST_RUNS) {
    const some = runs.subarray(start, start + MOST_RUNS);
    const runCount = some.length / RUN_LENGTH;
    const list = placeList(some);
    const placed = {
      codes,
      codeStep: columns,
      rows,
      runs: list,
      runCount,
      scales,
      zeros,
      groupCount,
      out,
      outStep,
    };
    dequantize(placeGridRuns(placed));
  }
  if (rounding === "none") return;
  for (let row = 0; row < rows; row++) round(out + row * outStep, columns);
}

/** f32 values of rows `[rowStart, rowEnd)` to `out`, which holds exactly those. @throws UsageError */
export function dequantizeView(
  view: reference.IntegerView,
  out: Float32Array,
  rowStart = 0,
  rowEnd: number = view.rows,
): void {
  reference.checkRows(rowStart, rowEnd, view.rows);
  reference.checkValueCount(rowEnd - rowStart, view.columns, out.length);
  if (dequantizeInKernel(view, out, rowStart, rowEnd - rowStart)) return;
  reference.dequantizeView(view, out, rowStart, rowEnd);
}

/** `rows` rows of a view from `rowStart` on; false where there is no kernel for it. */
function dequantizeInKernel(
  view: reference.IntegerView,
  out: Float32Array,
  rowStart: number,
  rows: number,
): boolean {
  const kernels = gridKernels();
  const { columns, groupCount, codes, scales, zeros } = view;
  const most = Math.floor(TILE_BYTE_LENGTH / Math.max(4 * columns, 8 * groupCount));
  if (kernels === undefined || most === 0 || columns === 0) return false;
  const { buffer } = kernelMemory();
  const codesAddress = kernelAddress(codes);
  const outAddress = kernelAddress(out);
  const runs = runList(view.groupOfColumn);
  // small enough for the copied bytes to stay in the first-level cache
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
    dequantizePlaced(kernels, {
      view: { ...view, rows: count },
      runs,
      codes: codesAt,
      parameters,
      out: outAt,
      outStep: 4 * columns,
    });
    if (outAddress === undefined) {
      out.set(new Float32Array(buffer, outAt, count * columns), row * columns);
    }
  }
  return true;
}
