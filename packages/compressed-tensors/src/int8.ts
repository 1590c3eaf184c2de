/** Integers of a byte each: format int-quantized. */
import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  readFloats,
  type ScaleEncoding,
  SIGNED_BYTE_ZERO,
  scaleEncoding,
  signedByteWeight,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import {
  fittedView,
  roundingAllowed,
  sequentialGroups,
  type ViewParameters,
  type ViewRequirement,
  viewFacts,
} from "@requant/core/view";
import { writeIntegers } from "./pack.ts";
import { readGroupIndex } from "./parameters.ts";
import { matrixShape } from "./parts.ts";
import {
  expandGrid,
  type GridClaims,
  gridGroupCount,
  gridShape,
  readScaleGrid,
  type ScaleGrid,
} from "./scale-grid.ts";

/** compressed-tensors, format int-quantized: K columns of W, N rows, G groups
 *   weight             I8               [N, K]             signed codes
 *   weight_scale       F16, BF16, F32   [1], [N, 1] or [N, G]
 *   weight_zero_point  I8               as weight_scale    asymmetric only: signed
 *   weight_g_idx       I32 (I64)        [K]                act-order only: group of each column
 * value = scale × (code − zero), zero 0 where none is stored.
 * Source: compressed-tensors, compressors/naive_quantized/base.py.
 */
export interface Int8Layout extends LinearLayout, ScaleGrid {
  readonly kind: "int8";
  readonly scale: ScaleEncoding;
  readonly symmetric: boolean;
  /** "any": weight_g_idx is stored. */
  readonly grouping: "any" | "sequential";
  /** Encoding of weight_g_idx. Absent: I32. */
  readonly groupIndex?: "I64" | undefined;
}

/** Weights in the layout int-quantized. */
export const int8Codec: LinearCodec<Int8Layout, GridClaims> & LinearEncoder<Int8Layout> = {
  name: "compressed-tensors",
  suffixes: ["weight", "weight_scale", "weight_zero_point", "weight_g_idx"],
  requiredSuffixes: ["weight", "weight_scale"],

  readLayout(parts, claims, place = {}) {
    const [rows, columns] = matrixShape(findPart(parts, "weight", place), "I8", place);
    const scale = findPart(parts, "weight_scale", place);
    const groupIndex = parts.find(({ suffix }) => suffix === "weight_g_idx");
    return {
      kind: "int8",
      rows,
      columns,
      ...readScaleGrid(scale, { rows, columns }, claims, place),
      scale: scaleEncoding(scale, place),
      symmetric: !parts.some(({ suffix }) => suffix === "weight_zero_point"),
      grouping: groupIndex === undefined ? "sequential" : "any",
      ...(groupIndex?.encoding === "I64" ? { groupIndex: "I64" as const } : {}),
    };
  },

  parts(layout) {
    const { rows, columns, scale, symmetric, grouping, groupIndex = "I32" } = layout;
    const shape = gridShape(layout, layout);
    const all: LinearPart[] = [
      { suffix: "weight", encoding: "I8", shape: [rows, columns] },
      { suffix: "weight_scale", encoding: scale, shape },
    ];
    if (!symmetric) all.push({ suffix: "weight_zero_point", encoding: "I8", shape });
    if (grouping === "any") all.push({ suffix: "weight_g_idx", encoding: groupIndex, shape: [columns] });
    return all;
  },

  parameterSuffixes: ({ symmetric, grouping }) => [
    "weight_scale",
    ...(symmetric ? [] : ["weight_zero_point"]),
    ...(grouping === "any" ? ["weight_g_idx"] : []),
  ],

  measure: (layout, bytes, place) => viewFacts(parametersOf(layout, bytes, place), 255, place),

  open(layout, bytes, place) {
    const parameters = parametersOf(layout, bytes, place);
    viewFacts(parameters, 255, place);
    return signedByteWeight(parameters, partOf(layout, "weight", bytes, place));
  },

  requirement: requirementOf,

  rowMultiple: ({ blockRows }) => blockRows,

  fromView(layout, view, rowStart, bytes) {
    const { columns, scale, symmetric, grouping, groupIndex = "I32" } = layout;
    const { rows, codes, scales, zeros, groupCount, groupOfColumn } = fittedView(
      view,
      roundingAllowed(requirementOf(layout)),
    );
    const stored = partOf(layout, "weight", bytes);
    for (let i = 0, at = rowStart * columns; i < codes.length; i++, at++)
      stored[at] = codes[i]! ^ SIGNED_BYTE_ZERO;
    const scaleBytes = partOf(layout, "weight_scale", bytes);
    const words = scale === "F32" ? writeWords(scaleBytes, 32) : writeWords(scaleBytes, 16);
    for (let row = 0; row < rows; row += layout.blockRows) {
      const to = Math.floor((rowStart + row) / layout.blockRows) * groupCount;
      for (let group = 0; group < groupCount; group++) {
        const from = row * groupCount + group;
        writeFloat(words, to + group, scale, scales[from]!);
        if (!symmetric)
          partOf(layout, "weight_zero_point", bytes)[to + group] = zeros[from]! - SIGNED_BYTE_ZERO;
      }
    }
    if (grouping === "any") {
      writeIntegers(Uint32Array.from(groupOfColumn), groupIndex, partOf(layout, "weight_g_idx", bytes));
    }
  },
};

/** What a view must be for the layout to hold it exactly. */
function requirementOf({ columns, blockColumns, scale, symmetric, grouping }: Int8Layout): ViewRequirement {
  const groups = blockColumns >= columns ? "one group per row" : `groups of ${blockColumns}`;
  return {
    name: `compressed-tensors with integers of a byte and ${grouping === "any" ? "act-order" : groups}`,
    blockSize: grouping === "any" ? "any" : blockColumns >= columns ? -1 : blockColumns,
    shortLastBlock: true,
    codes: symmetric
      ? { kind: "signed", min: -128, max: 127 }
      : { kind: "affine", maxCode: 255, minZero: 0, maxZero: 255 },
    scale,
    roundsToHalf: scale === "F16",
  };
}

/** Scales, zero points and groups, one for each row. */
function parametersOf(layout: Int8Layout, bytes: PartBytes, place: ErrorPlace = {}): ViewParameters {
  const { rows, columns, blockColumns, scale, symmetric, grouping } = layout;
  const groupCount = gridGroupCount(layout, layout);
  const stored = readFloats(partOf(layout, "weight_scale", bytes, place), scale);
  const zeros = new Int16Array(rows * groupCount).fill(SIGNED_BYTE_ZERO);
  if (!symmetric) {
    const signed = partOf(layout, "weight_zero_point", bytes, place);
    expandGrid(
      Int16Array.from(signed, (byte) => byte ^ SIGNED_BYTE_ZERO),
      layout,
      layout,
      zeros,
    );
  }
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn:
      grouping === "any"
        ? readGroupIndex({ ...layout, groupCount }, partOf(layout, "weight_g_idx", bytes, place), place)
        : sequentialGroups(columns, blockColumns),
    scales: expandGrid(stored, layout, layout, new Float32Array(rows * groupCount)),
    zeros,
    rounding: "none",
  };
}

function partOf(layout: Int8Layout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(int8Codec.parts(layout), suffix, place), place);
}
