/** Rows of floats as the view that affine quantization gives: an integer code, a scale and a bias for each group. */
import { ConversionError } from "@requant/core";
import type { ScaleEncoding } from "@requant/core/format";
import { ROUND_TO } from "@requant/core/numeric";
import { type LevelView, quantizeView, sequentialGroups } from "@requant/core/view";
import { groupCountOf, type MlxLayout } from "./layout.ts";
import { quantizeMlx } from "./quantize.ts";

/**
 * MLX's own codes; with `importance`, the grid with the least weighted error, whose bias is a multiple of its scale.
 * @throws ConversionError for weights that are not finite, or too large for the type of the scales
 */
export function affineView(
  layout: MlxLayout,
  values: Float32Array,
  rows: number,
  importance?: Float32Array,
): LevelView {
  const encoding = layout.scale === "U8" ? "F32" : layout.scale;
  const { codes, scales, biases } =
    importance === undefined
      ? mlxGrid(layout, values, encoding)
      : searchedGrid(layout, values, rows, encoding, importance);
  const { columns, groupSize } = layout;
  const span = {
    kind: "columns",
    groupCount: groupCountOf(layout),
    groupOfColumn: sequentialGroups(columns, groupSize),
  } as const;
  const factors = [{ values: scales, span }];
  const offset = { kind: "bias", values: biases, span } as const;
  return { rows, columns, codes, levels: "integer", factors, offset, rounding: "none" };
}

interface AffineGrid {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly biases: Float32Array;
}

function mlxGrid(layout: MlxLayout, values: Float32Array, encoding: ScaleEncoding): AffineGrid {
  const { codes, scales, biases } = quantizeMlx(layout, values);
  const round = ROUND_TO[encoding];
  const stored = (numbers: ArrayLike<number>): Float32Array =>
    Float32Array.from(numbers, (number, group) => {
      const rounded = round(number);
      if (Number.isFinite(rounded)) return rounded;
      throw new ConversionError(`A group of weights needs the number ${number}, too large for ${encoding}.`, {
        hint: "Keep this tensor in a float type.",
        index: group * layout.groupSize,
      });
    });
  return { codes, scales: stored(scales), biases: stored(biases ?? []) };
}

function searchedGrid(
  { bits, groupSize, columns }: MlxLayout,
  values: Float32Array,
  rows: number,
  scale: ScaleEncoding,
  importance: Float32Array,
): AffineGrid {
  const grid = { bits, groupSize, symmetric: false, scale, search: true, importance };
  const { codes, scales, zeros } = quantizeView(values, rows, columns, grid);
  const round = ROUND_TO[scale];
  return { codes, scales, biases: scales.map((own, group) => round(0 - own * zeros[group]!)) };
}
