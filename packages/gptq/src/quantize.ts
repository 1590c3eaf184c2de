import { type Grid, quantizeGrid } from "@requant/core";
import type { GptqLayout } from "./codec.ts";

/** GPTQ's exponent for `mse` searches. */
const MSE_EXPONENT = 2.4;

/**
 * Rows of floats as a grid that `gptqCodec.fromGrid` can write into this layout: round to nearest, with the ranges and zero
 * points of GPTQ's own quantizer. `search`: also try clipped ranges, as `mse` does there. A calibrated solver gives a grid
 * of the same shape, and is written by the same `fromGrid`.
 * @throws ConversionError for weights that are not finite, or too large for the scales
 */
export function quantizeGptq(
  layout: GptqLayout,
  values: Float32Array,
  rows: number,
  options: { readonly search?: boolean } = {},
): Grid {
  const { bits, groupSize, sym, scale, columns, zeros } = layout;
  const grid = quantizeGrid(values, rows, columns, {
    bits,
    groupSize,
    symmetric: sym,
    scale,
    searchExponent: options.search === true ? MSE_EXPONENT : undefined,
  });
  if (sym || zeros !== "minus-one") return grid;
  // v1 cannot store a zero point of 0: weights of such a group are all positive, and give up the lowest of their codes
  return { ...grid, ...withoutZeroPointZero(grid, 2 ** bits - 1) };
}

function withoutZeroPointZero(grid: Grid, maxCode: number): Pick<Grid, "codes" | "zeros"> {
  const { rows, columns, groupCount, groupOfColumn } = grid;
  const codes = grid.codes.slice();
  const zeros = grid.zeros.map((zero) => Math.max(1, zero));
  for (let row = 0, at = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++, at++) {
      if (grid.zeros[row * groupCount + groupOfColumn[column]!] === 0) {
        codes[at] = Math.min(maxCode, codes[at]! + 1);
      }
    }
  }
  return { codes, zeros };
}
