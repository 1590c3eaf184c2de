/** The SIMD twins of `grid.ts`, and the codes of a weight in tiles that stay in cache between two kernels. */
import type { Grid } from "../grid.ts";
import { coreKernels } from "./core-kernels.ts";
import { kernelAddress, kernelMemory, SCRATCH_BYTE_LENGTH, scratchOffset, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";

/** Runs of columns of one group as the kernel takes them: group, first column, end; three numbers each. */
export type RunList = Int32Array;

/** Runs that are given to the kernel at a time: half of a scratch area, next to scales and zero points. */
const MOST_RUNS = Math.floor(SCRATCH_BYTE_LENGTH / 2 / 12);

/** `rows` rows of a grid from `rowStart` on, or false where there is no kernel for it. */
export function dequantizeInKernel(
  grid: Grid,
  runs: RunList,
  out: Float32Array,
  rowStart: number,
  rows: number,
): boolean {
  const { columns, groupCount, codes, scales, zeros, rounding } = grid;
  const kernel = coreKernels.kernel("dequantizeGrid");
  const round = coreKernels.kernel("roundToHalf");
  const parameterRows = Math.floor(SCRATCH_BYTE_LENGTH / 2 / (6 * groupCount));
  if (kernel === undefined || round === undefined || parameterRows < 1 || columns * 4 > TILE_BYTE_LENGTH) return false;
  const { buffer } = kernelMemory();
  const codesAddress = kernelAddress(codes);
  const outAddress = kernelAddress(out);
  const most = SCRATCH_BYTE_LENGTH / (outAddress === undefined ? 4 : 1);
  const step =
    codesAddress !== undefined && outAddress !== undefined
      ? Math.min(rows, parameterRows)
      : Math.max(1, Math.min(parameterRows, Math.floor(most / columns)));
  const parameters = scratchOffset(2) + SCRATCH_BYTE_LENGTH / 2;
  const runCount = runs.length / 3;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const values = count * columns;
    const from = (rowStart + row) * columns;
    const groups = (rowStart + row) * groupCount;
    new Float32Array(buffer, parameters, count * groupCount).set(
      scales.subarray(groups, groups + count * groupCount),
    );
    const zerosAt = parameters + 4 * count * groupCount;
    new Int16Array(buffer, zerosAt, count * groupCount).set(zeros.subarray(groups, groups + count * groupCount));
    let codesAt = tileOffset(0);
    if (codesAddress !== undefined) codesAt = codesAddress + from;
    else new Uint8Array(buffer, codesAt, values).set(codes.subarray(from, from + values));
    const outAt = outAddress === undefined ? tileOffset(1) : outAddress + 4 * row * columns;
    for (let run = 0; run < runCount; run += MOST_RUNS) {
      const runsHere = Math.min(MOST_RUNS, runCount - run);
      new Int32Array(buffer, scratchOffset(2), 3 * runsHere).set(runs.subarray(3 * run, 3 * (run + runsHere)));
      kernel(
        codesAt,
        columns,
        count,
        scratchOffset(2),
        runsHere,
        parameters,
        zerosAt,
        groupCount,
        outAt,
        4 * columns,
      );
    }
    if (rounding === "f16") round(outAt, values);
    if (outAddress === undefined) out.set(new Float32Array(buffer, outAt, values), row * columns);
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

/** Memory for the codes of rows that are unpacked only to be worked on at once; undefined without kernels. */
export function codeTile(columns: number): { readonly rows: number; codes(rows: number): Uint8Array } | undefined {
  if (coreKernels.kernel("dequantizeGrid") === undefined || columns > TILE_BYTE_LENGTH) return undefined;
  const most = Math.min(256, Math.floor(TILE_BYTE_LENGTH / Math.max(1, columns)));
  return {
    // words hold up to 32 rows
    rows: most > 32 ? most - (most % 32) : most,
    codes: (rows) => new Uint8Array(kernelMemory().buffer, tileOffset(0), rows * columns),
  };
}
