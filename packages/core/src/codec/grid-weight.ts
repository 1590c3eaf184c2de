import { UsageError } from "../errors.ts";
import { checkRows, dequantizeGrid, type Grid } from "../grid.ts";
import type { GridParameters } from "../grid-facts.ts";
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
      if (scratch.length < length) scratch = new Uint8Array(length);
      dequantizeGrid(band(rowStart, rowEnd, scratch.subarray(0, length)), out);
    },
    toGrid(rowStart, rowEnd) {
      checkRows(rowStart, rowEnd, rows);
      const codes = new Uint8Array((rowEnd - rowStart) * columns);
      const grid = band(rowStart, rowEnd, codes);
      return { ...grid, scales: grid.scales.slice(), zeros: grid.zeros.slice() };
    },
  };
}
