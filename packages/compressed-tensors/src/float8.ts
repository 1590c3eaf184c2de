/** Floats of a byte each: formats float-quantized, naive-quantized and mxfp8-quantized. */
import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  float8Weight,
  type LinearCodec,
  type LinearLayout,
  type PartBytes,
  partBytes,
  type RowWeight,
  readFloats,
  type ScaleEncoding,
  scaleEncoding,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import { E4M3_VALUES, e8m0ToFloat } from "@requant/core/numeric";
import {
  type Factor,
  float8Facts,
  type LevelFacts,
  type LevelTable,
  sequentialGroups,
  type ViewRequirement,
} from "@requant/core/view";
import { matrixShape } from "./parts.ts";
import {
  expandGrid,
  type GridClaims,
  gridGroupCount,
  gridShape,
  readScaleGrid,
  type ScaleGrid,
} from "./scale-grid.ts";

/** compressed-tensors, formats float-quantized and naive-quantized: K columns of W, N rows
 *   weight        F8_E4M3         [N, K]
 *   weight_scale  F16, BF16, F32  [1], [N, 1], [N, G], or one for each block: [⌈N ÷ rows⌉, ⌈K ÷ columns⌉]
 * and mxfp8-quantized, whose scales are powers of two, a byte each (E8M0):
 *   weight_scale  U8              [N, K ÷ 32]
 * value = scale × code.
 * Source: compressed-tensors, compressors/naive_quantized/base.py and compressors/mxfp8/base.py.
 */
export interface CompressedFloat8Layout extends LinearLayout, ScaleGrid {
  readonly kind: "float8";
  readonly scale: ScaleEncoding | "E8M0";
}

export const E4M3_TABLE: LevelTable = { kind: "table", name: "E4M3", levels: E4M3_VALUES };

/** A codec of weights of one byte each, with what a plan asks of their scales. */
export interface CompressedFloat8Codec extends LinearCodec<CompressedFloat8Layout, GridClaims, RowWeight> {
  /** Facts, or why there is no view. */
  examine(layout: CompressedFloat8Layout, bytes: PartBytes, place?: ErrorPlace): LevelFacts;
  /** As many scales as are stored. */
  scales(layout: CompressedFloat8Layout, bytes: PartBytes, place?: ErrorPlace): Float32Array;
}

/** Weights in the layouts float-quantized, naive-quantized and mxfp8-quantized. */
export const compressedFloat8Codec: CompressedFloat8Codec = {
  name: "compressed-tensors",
  suffixes: ["weight", "weight_scale"],
  requiredSuffixes: ["weight", "weight_scale"],

  readLayout(parts, claims, place = {}) {
    const [rows, columns] = matrixShape(findPart(parts, "weight", place), "F8_E4M3", place);
    const scale = findPart(parts, "weight_scale", place);
    return {
      kind: "float8",
      rows,
      columns,
      ...readScaleGrid(scale, { rows, columns }, claims, place),
      scale: scale.encoding === "U8" ? "E8M0" : scaleEncoding(scale, place),
    };
  },

  parts: (layout) => [
    { suffix: "weight", encoding: "F8_E4M3", shape: [layout.rows, layout.columns] },
    {
      suffix: "weight_scale",
      encoding: layout.scale === "E8M0" ? "U8" : layout.scale,
      shape: gridShape(layout, layout),
    },
  ],

  parameterSuffixes: () => ["weight_scale"],

  examine(layout, bytes, place) {
    const { rows, columns, blockRows, blockColumns, scale } = layout;
    const groupCount = gridGroupCount(layout, layout);
    const scales = expandGrid(
      scalesOf(layout, bytes, place),
      layout,
      layout,
      new Float32Array(rows * groupCount),
    );
    const groupOfColumn = sequentialGroups(columns, blockColumns);
    const parameters = { rows, columns, groupCount, groupOfColumn, scales };
    return float8Facts("F8_E4M3", parameters, scale === "E8M0" ? "E8M0" : undefined, blockRows);
  },

  scales: scalesOf,

  measure: (layout, bytes, place) => compressedFloat8Codec.examine(layout, bytes, place).facts,

  open(layout, bytes, place) {
    const { rows, columns, blockRows, blockColumns } = layout;
    const stored = partOf(layout, "weight", bytes, place);
    const factor: Factor = {
      values: scalesOf(layout, bytes, place),
      span: { kind: "blocks", blockRows, blockColumns },
    };
    return float8Weight({ rows, columns, factors: [factor] }, stored);
  },
};

/** What a view must be for the layout to hold it exactly. */
export function float8Requirement({
  blockRows,
  blockColumns,
  columns,
  scale,
}: CompressedFloat8Layout): ViewRequirement {
  const groups = blockColumns >= columns ? "one scale per row" : `groups of ${blockColumns}`;
  return {
    name: `compressed-tensors with 8-bit floats and ${groups}`,
    blockSize: blockColumns >= columns ? -1 : blockColumns,
    ...(blockRows > 1 ? { scaleRows: blockRows } : {}),
    shortLastBlock: true,
    codes: E4M3_TABLE,
    scale,
    roundsToHalf: false,
  };
}

/** Codes and scales of a band of rows to the parts: `scales` are those of the blocks of the band, `codes` E4M3. */
export function writeFloat8(
  layout: CompressedFloat8Layout,
  codes: Uint8Array,
  scales: Float32Array | Uint8Array,
  rowStart: number,
  bytes: PartBytes,
): void {
  const { columns, blockRows, scale } = layout;
  partOf(layout, "weight", bytes).set(codes, rowStart * columns);
  const first = (rowStart / blockRows) * gridGroupCount(layout, layout);
  const part = partOf(layout, "weight_scale", bytes);
  if (scale === "E8M0") {
    part.set(scales, first);
    return;
  }
  const words = scale === "F32" ? writeWords(part, 32) : writeWords(part, 16);
  for (let i = 0; i < scales.length; i++) writeFloat(words, first + i, scale, scales[i]!);
}

function scalesOf(layout: CompressedFloat8Layout, bytes: PartBytes, place?: ErrorPlace): Float32Array {
  const stored = partOf(layout, "weight_scale", bytes, place);
  return layout.scale === "E8M0" ? Float32Array.from(stored, e8m0ToFloat) : readFloats(stored, layout.scale);
}

function partOf(
  layout: CompressedFloat8Layout,
  suffix: string,
  bytes: PartBytes,
  place?: ErrorPlace,
): Uint8Array {
  return partBytes(bytes, findPart(compressedFloat8Codec.parts(layout), suffix, place), place);
}
