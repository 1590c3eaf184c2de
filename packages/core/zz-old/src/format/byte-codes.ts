/** Opened weights whose codes are whole bytes, row by row. */
import { levelWeight } from "../kernels/level-twin.ts";
import { viewWeight } from "../kernels/weight-twin.ts";
import { FLOAT8_VALUES, type Float8Encoding } from "../numeric/float8.ts";
import type { ViewParameters } from "../view/facts.ts";
import type { LevelParameters } from "../view/level-weight.ts";
import type { LinearWeight, RowWeight } from "./linear-codec.ts";

/** The zero point that a view has where the stored byte of 0 is a signed 0. */
export const SIGNED_BYTE_ZERO = 128;

/** Signed bytes. The codes of the view are 128 more, and so are the zero points in `parameters`. */
export function signedByteWeight(parameters: ViewParameters, stored: Uint8Array): LinearWeight {
  const { columns } = parameters;
  return viewWeight(parameters, 1, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
    for (let row = rowStart, at = 0; row < rowEnd; row++) {
      const end = row * columns + columnEnd;
      for (let from = row * columns + columnStart; from < end; from++) {
        codes[at++] = stored[from]! ^ SIGNED_BYTE_ZERO;
      }
    }
  });
}

/** 8-bit floats. A view has no infinite numbers: weights in E5M2, or with a scale that is not finite, are read as rows alone. */
export function float8Weight(
  { rows, columns, factors }: Pick<LevelParameters, "rows" | "columns" | "factors">,
  stored: Uint8Array,
  encoding: Float8Encoding = "F8_E4M3",
): RowWeight {
  const { toLevels, ...weight } = levelWeight(
    { rows, columns, factors, levels: FLOAT8_VALUES[encoding], offset: { kind: "none" }, rounding: "none" },
    (rowStart, rowEnd, codes) => codes.set(stored.subarray(rowStart * columns, rowEnd * columns)),
    { bits: 8, bytes: stored },
  );
  const areFinite = factors.every(({ values }) => values.every(Number.isFinite));
  return encoding === "F8_E4M3" && areFinite ? { ...weight, toLevels } : weight;
}
