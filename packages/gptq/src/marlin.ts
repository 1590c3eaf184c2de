import { type ErrorPlace, FormatError } from "@requant/core";
import {
  MARLIN_COLUMNS,
  MARLIN_ROWS,
  marlinScaleRow,
  marlinShapeMisfit,
  packMarlin,
  unpackMarlin,
} from "@requant/core/bits";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type PartBytes,
  partBytes,
  readFloats,
  readWords,
  type ScaleEncoding,
  scaleEncoding,
  viewWeight,
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
import { settleGroupSize } from "./groups.ts";

/** Marlin checkpoints of AutoGPTQ: 4 bits, symmetric, no act-order; K columns of W, N rows, G groups
 *   B  I32  [K / 16, 2 N]  codes in tensor-core order: core, bits/marlin.ts
 *   s  F16  [G, N]         rows gathered in 64s, or in 32s where G is 1
 * value = scale × (code − 8). Source: AutoGPTQ, nn_modules/qlinear/qlinear_marlin.py.
 */
export interface GptqMarlinLayout extends LinearLayout {
  readonly groupCount: number;
  /** Columns per group, −1 for all. */
  readonly groupSize: number;
  readonly scale: ScaleEncoding;
}

/** What the configuration must state; a `GptqConfig` has these fields. */
export interface GptqMarlinClaims {
  readonly groupSize: number;
}

/** GPTQ weights in AutoGPTQ's Marlin layout. */
export const gptqMarlinCodec: LinearCodec<GptqMarlinLayout, GptqMarlinClaims> &
  LinearEncoder<GptqMarlinLayout> = {
  name: "GPTQ Marlin",
  suffixes: ["B", "s"],
  requiredSuffixes: ["B", "s"],

  readLayout(parts, claims, place = {}) {
    const codes = findPart(parts, "B", place);
    const scales = findPart(parts, "s", place);
    const [tileRows = 0, width = 0] = codes.shape;
    const [groupCount = 0, scaleRows] = scales.shape;
    const rows = width / 2;
    if (
      codes.encoding !== "I32" ||
      codes.shape.length !== 2 ||
      scales.shape.length !== 2 ||
      scaleRows !== rows ||
      tileRows * groupCount === 0
    ) {
      throw new FormatError(
        `The part B is ${codes.encoding} [${codes.shape.join(", ")}] and s is [${scales.shape.join(", ")}]; I32 [K / 16, 2 N] and [groups, N] were expected.`,
        place,
      );
    }
    const columns = MARLIN_COLUMNS * tileRows;
    const misfit = marlinShapeMisfit(rows, columns);
    if (misfit !== undefined) throw new FormatError(`Marlin cannot store this weight: ${misfit}.`, place);
    const groupSize = settleGroupSize(columns, groupCount, claims.groupSize, place);
    return { rows, columns, groupCount, groupSize, scale: scaleEncoding(scales, place) };
  },

  parts: ({ rows, columns, groupCount, scale }) => [
    { suffix: "B", encoding: "I32", shape: [columns / MARLIN_COLUMNS, 2 * rows] },
    { suffix: "s", encoding: scale, shape: [groupCount, rows] },
  ],

  parameterSuffixes: () => ["s"],

  measure(layout, bytes, place) {
    return viewFacts(readParameters(layout, bytes, place), 15, place);
  },

  open(layout, bytes, place) {
    const { rows, columns } = layout;
    const parameters = readParameters(layout, bytes, place);
    viewFacts(parameters, 15, place);
    const words = readWords(partOf(layout, "B", bytes, place), 32);
    return viewWeight(parameters, columns, (rowStart, rowEnd, codes) => {
      unpackMarlin(words, rows, columns, rowStart, rowEnd, codes);
    });
  },

  requirement: requirementOf,

  rowMultiple: () => MARLIN_ROWS,

  fromView(layout, view, rowStart, bytes) {
    const { rows, columns, groupCount, scale } = layout;
    const fitted = fittedView(view, roundingAllowed(requirementOf(layout)));
    const rowEnd = rowStart + fitted.rows;
    packMarlin(fitted.codes, rows, columns, rowStart, rowEnd, writeWords(partOf(layout, "B", bytes), 32));
    const scaleBytes = partOf(layout, "s", bytes);
    const words = scale === "F32" ? writeWords(scaleBytes, 32) : writeWords(scaleBytes, 16);
    for (let group = 0; group < groupCount; group++) {
      for (let i = rowStart; i < rowEnd; i++) {
        const row = marlinScaleRow(i, groupCount === 1) - rowStart;
        writeFloat(words, group * rows + i, scale, fitted.scales[row * groupCount + group]!);
      }
    }
  },
};

function requirementOf({ groupSize, scale }: GptqMarlinLayout): ViewRequirement {
  return {
    name: `GPTQ Marlin with ${groupSize === -1 ? "one group per row" : `groups of ${groupSize}`}`,
    blockSize: groupSize,
    shortLastBlock: false,
    codes: { kind: "signed", min: -8, max: 7 },
    scale,
    roundsToHalf: scale === "F16",
  };
}

function readParameters(layout: GptqMarlinLayout, bytes: PartBytes, place?: ErrorPlace): ViewParameters {
  const { rows, columns, groupCount, groupSize, scale } = layout;
  const stored = readFloats(partOf(layout, "s", bytes, place), scale);
  const scales = new Float32Array(rows * groupCount);
  for (let group = 0, from = 0; group < groupCount; group++) {
    for (let i = 0; i < rows; i++, from++) {
      scales[marlinScaleRow(i, groupCount === 1) * groupCount + group] = stored[from]!;
    }
  }
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    scales,
    zeros: new Int16Array(rows * groupCount).fill(8),
    rounding: "none",
  };
}

function partOf(layout: GptqMarlinLayout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(gptqMarlinCodec.parts(layout), suffix, place), place);
}
