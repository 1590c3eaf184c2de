import { UsageError } from "../errors.ts";
import { checkRows, dequantizeRuns, type Grid, runList } from "../grid.ts";
import type { GridParameters } from "../grid-facts.ts";
import { codeTile, type RunList } from "../kernels/grid.ts";
import type { LinearWeight } from "./linear.ts";

/**
 * An opened weight whose small parts are already in memory as a grid's, and whose codes are unpacked on demand.
 * `unpackCodes` fills `codes[(row − rowStart) × columns + column]`.
 */
export function gridWeight(
  parameters: GridParameters,
  unpackCodes: (rowStart: number, rowEnd: number, codes: Uint8Array) => void,
): LinearWeight {
  const { rows, columns, groupCount, scales, zeros } = parameters;
  const band = (rowStart: number, rowEnd: number, codes: Uint8Array): Grid => {
    unpackCodes(rowStart, rowEnd, codes);
    return {
      ...parameters,
      rows: rowEnd - rowStart,
      codes,
      scales: scales.subarray(rowStart * groupCount, rowEnd * groupCount),
      zeros: zeros.subarray(rowStart * groupCount, rowEnd * groupCount),
    };
  };
  let scratch = new Uint8Array(0);
  let runs: RunList | undefined;
  return {
    rows,
    columns,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      const length = (rowEnd - rowStart) * columns;
      if (out.length !== length) {
        throw new UsageError(
          `${rowEnd - rowStart} rows of ${columns} values do not fit an array of ${out.length}.`,
        );
      }
      runs ??= runList(parameters.groupOfColumn);
      const tile = codeTile(columns);
      const step = tile?.rows ?? rowEnd - rowStart;
      for (let row = rowStart; row < rowEnd; row += step) {
        const end = Math.min(row + step, rowEnd);
        const size = (end - row) * columns;
        if (tile === undefined && scratch.length < size) scratch = new Uint8Array(size);
        const codes = tile?.codes(end - row) ?? scratch.subarray(0, size);
        const start = (row - rowStart) * columns;
        dequantizeRuns(band(row, end, codes), runs, out.subarray(start, start + size));
      }
    },
    toGrid(rowStart, rowEnd, given) {
      checkRows(rowStart, rowEnd, rows);
      const length = (rowEnd - rowStart) * columns;
      if (given !== undefined) {
        if (given.length === length) return band(rowStart, rowEnd, given);
        throw new UsageError(
          `${rowEnd - rowStart} rows of ${columns} codes do not fit an array of ${given.length}.`,
        );
      }
      const grid = band(rowStart, rowEnd, new Uint8Array(length));
      return { ...grid, scales: grid.scales.slice(), zeros: grid.zeros.slice() };
    },
  };
}
