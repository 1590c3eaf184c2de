import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
} from "@requant/core/format";
import { dequantizeE4m3, E4M3_VALUES, e8m0ToFloat, floatToE8m0 } from "@requant/core/numeric";
import {
  checkRows,
  checkValueCount,
  e4m3Facts,
  type Factor,
  type LevelFacts,
  type LevelView,
  sequentialGroups,
} from "@requant/core/view";
import {
  ACTIVATION_SCALES,
  blockCounts,
  type Float8Claims,
  type Float8Layout,
  partsOf,
  readLayout,
  SCALE_NAMES,
} from "./layout.ts";

export type { Float8Claims, Float8Layout } from "./layout.ts";

const SUFFIXES: readonly string[] = /* @__PURE__ */ ["weight"].concat(SCALE_NAMES, ACTIVATION_SCALES);

/** Weights of 8-bit floats with scales. */
export const float8Codec: LinearCodec<Float8Layout, Float8Claims, RowWeight> = {
  name: "FP8",
  suffixes: SUFFIXES,
  requiredSuffixes: ["weight"],
  readLayout,
  parts: partsOf,
  parameterSuffixes: ({ scaleName }) => [scaleName],

  measure: (layout, bytes, place) => factsOf(layout, readScales(layout, bytes, place)).facts,

  open(layout, bytes, place) {
    const { rows, columns, blockRows, blockColumns } = layout;
    const codes = partOf(layout, "weight", bytes, place);
    const [, across] = blockCounts(layout);
    const scales = readScales(layout, bytes, place);
    const hasNumbers = scales.every((scale) => Number.isFinite(scale));

    function dequantize(rowStart: number, rowEnd: number, out: Float32Array): void {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      const step = blockRows === 1 ? rows : blockRows;
      for (let row = rowStart, end = rowStart; row < rowEnd; row = end) {
        end = Math.min(rowEnd, row - (row % step) + step);
        const first = Math.floor(row / blockRows) * across;
        dequantizeE4m3(
          codes.subarray(row * columns, end * columns),
          columns,
          { values: scales.subarray(first), rowStep: blockRows === 1 ? across : 0, blockColumns },
          out.subarray((row - rowStart) * columns, (end - rowStart) * columns),
        );
      }
    }

    /** The scales of a band of rows, for blocks of whole rows that begin at its first one. */
    function factorOf(rowStart: number, rowEnd: number): Factor {
      const values = new Float32Array((rowEnd - rowStart) * across);
      for (let row = rowStart, at = 0; row < rowEnd; row++, at += across) {
        const first = Math.floor(row / blockRows) * across;
        values.set(scales.subarray(first, first + across), at);
      }
      return { values, span: { kind: "blocks", blockRows: 1, blockColumns } };
    }

    function toLevels(rowStart: number, rowEnd: number): LevelView {
      checkRows(rowStart, rowEnd, rows);
      return {
        rows: rowEnd - rowStart,
        columns,
        codes: codes.slice(rowStart * columns, rowEnd * columns),
        levels: E4M3_VALUES,
        factors: [factorOf(rowStart, rowEnd)],
        offset: { kind: "none" },
        rounding: "none",
      };
    }

    return { rows, columns, dequantize, ...(hasNumbers ? { toLevels } : {}) };
  },
};

/** Facts from the scales of all blocks, or why there is no view. */
export function factsOf(layout: Float8Layout, scales: Float32Array): LevelFacts {
  const { rows, columns, blockRows, blockColumns } = layout;
  const [, groupCount] = blockCounts(layout);
  const ofRows = new Float32Array(rows * groupCount);
  for (let row = 0; row < rows; row++) {
    const from = Math.floor(row / blockRows) * groupCount;
    ofRows.set(scales.subarray(from, from + groupCount), row * groupCount);
  }
  const groupOfColumn = sequentialGroups(columns, blockColumns);
  const arePowers = scales.every((scale) => floatToE8m0(scale) !== undefined);
  const parameters = { rows, columns, groupCount, groupOfColumn, scales: ofRows };
  return e4m3Facts(parameters, arePowers ? "E8M0" : undefined, blockRows);
}

/** The scales of all blocks, row by row. They may be any numbers, NaN and infinities as well. */
export function readScales(layout: Float8Layout, bytes: PartBytes, place?: ErrorPlace): Float32Array {
  const { scale, scaleName } = layout;
  const stored = partOf(layout, scaleName, bytes, place);
  return scale === "F8_E8M0" || scale === "U8"
    ? Float32Array.from(stored, e8m0ToFloat)
    : readFloats(stored, scale);
}

/** The bytes of one part. @throws FormatError when it is missing or has the wrong length */
export function partOf(
  layout: Float8Layout,
  suffix: string,
  bytes: PartBytes,
  place?: ErrorPlace,
): Uint8Array {
  return partBytes(bytes, findPart(partsOf(layout), suffix, place), place);
}
