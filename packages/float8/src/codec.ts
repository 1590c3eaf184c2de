import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  float8Weight,
  type LinearCodec,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
} from "@requant/core/format";
import { e8m0ToFloat, floatToE8m0 } from "@requant/core/numeric";
import { float8Facts, type LevelFacts, sequentialGroups } from "@requant/core/view";
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
    const scales = readScales(layout, bytes, place);
    const span = { kind: "blocks", blockRows, blockColumns } as const;
    return float8Weight({ rows, columns, factors: [{ values: scales, span }] }, codes, layout.codes);
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
  return float8Facts(layout.codes, parameters, arePowers ? "E8M0" : undefined, blockRows);
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
