import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  readFloats,
  type ScaleEncoding,
  scaleEncoding,
  viewWeight,
} from "@requant/core/format";
import { type ViewParameters, viewFacts } from "@requant/core/view";
import { PLACE_IN_TILE, TILE } from "./order.ts";

/** EETQ: N rows and K columns of W, multiples of 64
 *   weight         I8          [K, N]  named so, but stored in tiles: see order.ts; the bytes are code + 128
 *   weight_scales  F16 (…)     [N]
 * value = weight_scales × (byte − 128)
 * EETQ computes with f16 products; the value here is the product itself.
 * Source: EETQ, csrc/cutlass_kernels/cutlass_preprocessors.cc (`symmetric_quantize`, `preprocess_weights_for_mixed_gemm`).
 */
export interface EetqLayout extends LinearLayout {
  readonly scale: ScaleEncoding;
}

/** The byte of 0. */
const ZERO = 128;
const MAX_CODE = 255;

/** 8-bit weights in the order of tensor cores. */
export const eetqCodec: LinearCodec<EetqLayout, unknown> = {
  name: "EETQ",
  suffixes: ["weight", "weight_scales"],
  requiredSuffixes: ["weight", "weight_scales"],

  readLayout(parts, _claims, place = {}) {
    const { encoding, shape } = findPart(parts, "weight", place);
    const scales = findPart(parts, "weight_scales", place);
    const [columns = 0, rows = 0] = shape;
    const isTiled = (size: number): boolean => Number.isSafeInteger(size) && size > 0 && size % TILE === 0;
    const isMatrix =
      shape.length === 2 && isTiled(rows) && isTiled(columns) && Number.isSafeInteger(rows * columns);
    if (encoding !== "I8" || !isMatrix || scales.shape.join() !== `${rows}`) {
      throw new FormatError(
        `The part weight is ${encoding} [${shape.join(", ")}] and weight_scales [${scales.shape.join(", ")}]; I8 [columns, rows], both multiples of ${TILE}, and [rows] were expected.`,
        place,
      );
    }
    return { rows, columns, scale: scaleEncoding(scales, place) };
  },

  parts({ rows, columns, scale }): LinearPart[] {
    return [
      { suffix: "weight", encoding: "I8", shape: [columns, rows] },
      { suffix: "weight_scales", encoding: scale, shape: [rows] },
    ];
  },

  parameterSuffixes: () => ["weight_scales"],

  measure: (layout, bytes, place) => viewFacts(parametersOf(layout, bytes, place), MAX_CODE, place),

  open(layout, bytes, place) {
    const { columns } = layout;
    const parameters = parametersOf(layout, bytes, place);
    viewFacts(parameters, MAX_CODE, place);
    const stored = partBytes(bytes, findPart(eetqCodec.parts(layout), "weight", place), place);
    return viewWeight(parameters, TILE, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      for (let row = rowStart, at = 0; row < rowEnd; row++) {
        // two rows take turns, a tile of 64 bytes each
        const first = (row - (row % 2)) * columns + (row % 2) * TILE;
        for (let column = columnStart; column < columnEnd; column += TILE) {
          const tile = first + 2 * column;
          const stop = Math.min(TILE, columnEnd - column);
          for (let i = 0; i < stop; i++) codes[at++] = stored[tile + PLACE_IN_TILE[i]!]!;
        }
      }
    });
  },
};

function parametersOf(layout: EetqLayout, bytes: PartBytes, place: ErrorPlace = {}): ViewParameters {
  const { rows, columns, scale } = layout;
  const part = partBytes(bytes, findPart(eetqCodec.parts(layout), "weight_scales", place), place);
  return {
    rows,
    columns,
    groupCount: 1,
    groupOfColumn: new Int32Array(columns),
    scales: readFloats(part, scale),
    zeros: new Int16Array(rows).fill(ZERO),
    rounding: "none",
  };
}
