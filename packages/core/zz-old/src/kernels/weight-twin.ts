/** The SIMD twin of `view/view-weight.ts`: a weight is unpacked and dequantized tile by tile. */
import type { LinearWeight } from "../format/linear-codec.ts";
import type { PackedNibbles } from "../format/packed-nibbles.ts";
import type { ViewParameters } from "../view/facts.ts";
import { checkRows, checkValueCount } from "../view/integer-view.ts";
import * as reference from "../view/view-weight.ts";
import { dequantizePlaced, gridKernels, runList } from "./grid-twin.ts";
import { kernelAddress, kernelMemory, TILE_BYTE_LENGTH, tileOffset } from "./memory.ts";
import { type PlacedParameters, placeParameters, type TiledWeight, tileCodes, tileShape } from "./tiles.ts";

/**
 * An opened weight whose small parts are already in memory as a view's, and whose codes are unpacked on demand.
 * `columnMultiple`: `unpackCodes` is called for columns from multiples of this to multiples of this. `nibbles`: the same
 * numbers.
 */
export function viewWeight(
  parameters: ViewParameters,
  columnMultiple: number,
  unpackCodes: reference.UnpackCodes,
  nibbles?: PackedNibbles,
): LinearWeight {
  const weight = reference.viewWeight(parameters, columnMultiple, unpackCodes, nibbles);
  return {
    ...weight,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, weight.rows);
      checkValueCount(rowEnd - rowStart, weight.columns, out.length);
      if (!dequantizeInTiles(weight, rowStart, rowEnd, out)) weight.dequantize(rowStart, rowEnd, out);
    },
  };
}

/** Rows of a stored weight as f32, tile by tile; false where there is no kernel for it. */
function dequantizeInTiles(
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
  /** The runs of columns of each tile, from left to right. */
  const runs: Int32Array[] = [];
  for (let row = rowStart; row < rowEnd; row += rows) {
    const end = Math.min(row + rows, rowEnd);
    let parameters: PlacedParameters | undefined;
    for (let column = 0, tile = 0; column < columns; column += shape.columns, tile++) {
      const columnEnd = Math.min(column + shape.columns, columns);
      const width = columnEnd - column;
      const view = weight.toView(row, end, {
        codes: tileCodes((end - row) * width),
        columnStart: column,
        columnEnd,
      });
      parameters ??= placeParameters(view.scales, view.zeros);
      const list = runs[tile] ?? runList(view.groupOfColumn);
      runs[tile] = list;
      const placed = { view, runs: list, codes: tileOffset(0), parameters };
      const to = (row - rowStart) * columns + column;
      if (outAddress !== undefined) {
        dequantizePlaced(kernels, { ...placed, out: outAddress + 4 * to, outStep: 4 * columns });
        continue;
      }
      dequantizePlaced(kernels, { ...placed, out: tileOffset(1), outStep: 4 * width });
      for (let i = 0; i < end - row; i++) {
        out.set(new Float32Array(buffer, tileOffset(1) + 4 * i * width, width), to + i * columns);
      }
    }
  }
  return true;
}
