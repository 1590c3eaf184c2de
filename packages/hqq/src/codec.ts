import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  finiteFloats,
  type LinearCodec,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
  readWords,
} from "@requant/core/format";
import { ROUND_TO } from "@requant/core/numeric";
import { checkRows, checkValueCount } from "@requant/core/view";
import { HQQ_SUFFIXES, type HqqClaims, type HqqLayout, matrixOf, readLayout } from "./layout.ts";
import { packingOf } from "./packing.ts";

export type { HqqClaims, HqqLayout } from "./layout.ts";

/** Weights of HQQ. They are read as rows of floats. */
export const hqqCodec: LinearCodec<HqqLayout, HqqClaims, RowWeight> = {
  name: "HQQ",
  suffixes: HQQ_SUFFIXES,
  requiredSuffixes: ["W_q", "scale", "zero"],
  readLayout,
  parts: ({ stored }) => [...stored],
  parameterSuffixes: ({ stored }) => stored.map(({ suffix }) => suffix).filter((suffix) => suffix !== "W_q"),
  /** There is no view, and so there are no facts of one. */
  measure(layout, bytes, place = {}) {
    parametersOf(layout, bytes, place);
    return undefined;
  },
  open: openHqq,
};

interface HqqParameters {
  /** One for each group. */
  readonly scales: Float32Array;
  readonly zeros: Float32Array;
}

function parametersOf(layout: HqqLayout, bytes: PartBytes, place: ErrorPlace): HqqParameters {
  for (const part of layout.stored) if (part.suffix !== "W_q") partBytes(bytes, part, place);
  const floats = (suffix: string): Float32Array => {
    const part = partBytes(bytes, findPart(layout.stored, suffix, place), place);
    return finiteFloats(readFloats(part, layout.scale), suffix, place);
  };
  return { scales: floats("scale"), zeros: floats("zero") };
}

function openHqq(layout: HqqLayout, bytes: PartBytes, place: ErrorPlace = {}): RowWeight {
  const { rows, columns, bits, axis, scale } = layout;
  const { scales, zeros } = parametersOf(layout, bytes, place);
  const { encoding, firstShift } = packingOf(layout);
  const matrix = matrixOf(layout);
  const packed = readWords(
    partBytes(bytes, findPart(layout.stored, "W_q", place), place),
    encoding === "I32" ? 32 : 8,
  );
  const round = ROUND_TO[scale];
  const mask = 2 ** bits - 1;
  const levels = new Float32Array(mask + 1);
  /** Values of the codes of one group, where a group has more weights than there are codes. */
  const levelsOf = (group: number): Float32Array => {
    for (let code = 0; code <= mask; code++) {
      levels[code] = round(round(code - zeros[group]!) * scales[group]!);
    }
    return levels;
  };
  const isTable = axis === 1 && mask < matrix.columns;
  return {
    rows,
    columns,
    dequantize(rowStart, rowEnd, out) {
      checkRows(rowStart, rowEnd, rows);
      checkValueCount(rowEnd - rowStart, columns, out.length);
      const start = rowStart * columns;
      const end = rowEnd * columns;
      for (let at = start; at < end; ) {
        const row = Math.floor(at / matrix.columns);
        const stop = Math.min(end, (row + 1) * matrix.columns);
        const field = Math.floor(row / matrix.stride);
        const shift = firstShift - field * bits;
        // the place in the packed numbers that the weight with number 0 in this row would have
        const from = (row - field * matrix.stride) * matrix.columns - row * matrix.columns;
        if (isTable) {
          const values = levelsOf(row);
          for (; at < stop; at++) out[at - start] = values[(packed[from + at]! >>> shift) & mask]!;
        } else {
          for (; at < stop; at++) {
            const group = axis === 1 ? row : at - row * matrix.columns;
            const code = (packed[from + at]! >>> shift) & mask;
            out[at - start] = round(round(code - zeros[group]!) * scales[group]!);
          }
        }
      }
    },
  };
}
