import { type ErrorPlace, FormatError } from "@requant/core";
import { type FieldStreams, packFields, streamFields, unpackFields } from "@requant/core/bits";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type LinearPart,
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

/** compressed-tensors, format pack-quantized: K columns of W, N rows, b bits, G groups
 *   weight_packed      I32              [N, ⌈K b / 32⌉]  a row's codes as one bit stream: signed code + 2^(b − 1)
 *   weight_scale       F16 (BF16, F32)  [N, G]
 *   weight_shape       I64              [2]              N, K
 *   weight_zero_point  I32              [⌈N b / 32⌉, G]  asymmetric only: packed down a column, offset as the codes
 *   weight_g_idx       I32              [K]              act-order only: group of each column
 * value = scale × (code − zero), zero 2^(b − 1) where none is stored.
 * Source: compressed-tensors, compressors/quantized_compressors/pack_quantized.py.
 */
export interface CompressedTensorsLayout extends LinearLayout {
  readonly bits: number;
  readonly groupCount: number;
  /** Columns per group, −1 for all. */
  readonly groupSize: number;
  readonly symmetric: boolean;
  readonly scale: ScaleEncoding;
  /** "any": weight_g_idx is stored. */
  readonly grouping: "any" | "sequential";
}

/** What the tensors do not show: a `CompressedTensorsGroup` states it. */
export interface CompressedTensorsClaims {
  readonly bits: number;
  readonly groupSize: number;
}

/** Weights in compressed-tensors' pack-quantized layout. */
export const compressedTensorsCodec: LinearCodec<CompressedTensorsLayout, CompressedTensorsClaims> &
  LinearEncoder<CompressedTensorsLayout> = {
  name: "compressed-tensors",
  suffixes: ["weight_packed", "weight_scale", "weight_shape", "weight_zero_point", "weight_g_idx"],
  requiredSuffixes: ["weight_packed", "weight_scale"],

  readLayout(parts, claims, place = {}) {
    const { bits } = claims;
    const packed = findPart(parts, "weight_packed", place);
    const scale = findPart(parts, "weight_scale", place);
    const zeros = parts.find(({ suffix }) => suffix === "weight_zero_point");
    const groupIndex = parts.find(({ suffix }) => suffix === "weight_g_idx");
    const [rows, rowWords] = matrixShape(packed, "I32", place);
    const [scaleRows, groupCount] = matrixShape(scale, undefined, place);
    // without g_idx, the width of a row is only known in whole words; weight_shape, which is checked on opening, decides
    const columns = groupIndex?.shape[0] ?? columnsOf(rowWords, bits, groupCount, claims.groupSize);
    if (scaleRows !== rows || Math.ceil((columns * bits) / 32) !== rowWords) {
      throw new FormatError(
        `The part weight_packed is [${rows}, ${rowWords}] and weight_scale is [${scaleRows}, ${groupCount}]; [${rows}, ${Math.ceil((columns * bits) / 32)}] and [${rows}, groups] were expected for ${columns} columns of ${bits} bits.`,
        place,
      );
    }
    if (zeros !== undefined) {
      const [zeroWords, zeroGroups] = matrixShape(zeros, "I32", place);
      if (zeroWords !== Math.ceil((rows * bits) / 32) || zeroGroups !== groupCount) {
        throw new FormatError(
          `The part weight_zero_point is [${zeroWords}, ${zeroGroups}]; [${Math.ceil((rows * bits) / 32)}, ${groupCount}] was expected.`,
          place,
        );
      }
    }
    return {
      rows,
      columns,
      bits,
      groupCount,
      groupSize:
        groupIndex === undefined
          ? groupSizeOf(columns, groupCount, claims.groupSize, place)
          : claims.groupSize,
      symmetric: zeros === undefined,
      scale: scaleEncoding(scale, place),
      grouping: groupIndex === undefined ? "sequential" : "any",
    };
  },

  parts({ rows, columns, bits, groupCount, symmetric, scale, grouping }) {
    const all: LinearPart[] = [
      { suffix: "weight_packed", encoding: "I32", shape: [rows, Math.ceil((columns * bits) / 32)] },
      { suffix: "weight_scale", encoding: scale, shape: [rows, groupCount] },
      { suffix: "weight_shape", encoding: "I64", shape: [2] },
    ];
    if (!symmetric) {
      const shape = [Math.ceil((rows * bits) / 32), groupCount];
      all.push({ suffix: "weight_zero_point", encoding: "I32", shape });
    }
    if (grouping === "any") all.push({ suffix: "weight_g_idx", encoding: "I32", shape: [columns] });
    return all;
  },

  parameterSuffixes: ({ symmetric, grouping }) => [
    "weight_scale",
    "weight_shape",
    ...(symmetric ? [] : ["weight_zero_point"]),
    ...(grouping === "any" ? ["weight_g_idx"] : []),
  ],

  measure(layout, bytes, place) {
    return viewFacts(readParameters(layout, bytes, place), 2 ** layout.bits - 1, place);
  },

  open(layout, bytes, place) {
    const { columns, bits } = layout;
    const parameters = readParameters(layout, bytes, place);
    viewFacts(parameters, 2 ** bits - 1, place);
    const words = readWords(partOf(layout, "weight_packed", bytes, place), 32);
    const table = streamFields(bits);
    return viewWeight(parameters, 32, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      unpackFields(table, words, rowStreams(columns, bits, rowStart, rowEnd, columnStart, columnEnd), codes);
    });
  },

  requirement: requirementOf,

  rowMultiple: () => 32,

  fromView(layout, view, rowStart, bytes) {
    const { rows, columns, bits, groupCount, scale, symmetric, grouping } = layout;
    const fitted = fittedView(view, roundingAllowed(requirementOf(layout)));
    const rowEnd = rowStart + fitted.rows;
    const table = streamFields(bits);
    packFields(
      table,
      fitted.codes,
      rowStreams(columns, bits, rowStart, rowEnd),
      writeWords(partOf(layout, "weight_packed", bytes), 32),
    );
    const scaleBytes = partOf(layout, "weight_scale", bytes);
    const scaleWords = scale === "F32" ? writeWords(scaleBytes, 32) : writeWords(scaleBytes, 16);
    for (let i = 0; i < fitted.scales.length; i++) {
      writeFloat(scaleWords, rowStart * groupCount + i, scale, fitted.scales[i]!);
    }
    writeWords(partOf(layout, "weight_shape", bytes), 32).set([rows, 0, columns, 0]);
    if (!symmetric) {
      const zeros = new Uint8Array(fitted.rows * groupCount);
      for (let row = 0, from = 0; row < fitted.rows; row++) {
        for (let group = 0; group < groupCount; group++, from++) {
          zeros[group * fitted.rows + row] = fitted.zeros[from]!;
        }
      }
      const words = writeWords(partOf(layout, "weight_zero_point", bytes), 32);
      packFields(table, zeros, zeroStreams(layout, rowStart, fitted.rows), words);
    }
    if (grouping === "any") {
      const index = writeWords(partOf(layout, "weight_g_idx", bytes), 32);
      for (let column = 0; column < columns; column++) index[column] = fitted.groupOfColumn[column]!;
    }
  },
};

/** What a view must be for the layout to hold it exactly. */
function requirementOf({
  bits,
  groupSize,
  symmetric,
  scale,
  grouping,
}: CompressedTensorsLayout): ViewRequirement {
  const groups = groupSize === -1 ? "one group per row" : `groups of ${groupSize}`;
  const maxCode = 2 ** bits - 1;
  return {
    name: `compressed-tensors with ${bits} bits and ${grouping === "any" ? "act-order" : groups}`,
    blockSize: grouping === "any" ? "any" : groupSize,
    shortLastBlock: true,
    codes: symmetric
      ? { kind: "signed", min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }
      : { kind: "affine", maxCode, minZero: 0, maxZero: maxCode },
    scale,
    roundsToHalf: scale === "F16",
  };
}

function readParameters(
  layout: CompressedTensorsLayout,
  bytes: PartBytes,
  place: ErrorPlace = {},
): ViewParameters {
  const { rows, columns, bits, groupCount, groupSize, symmetric, scale, grouping } = layout;
  if (bytes["weight_shape"] !== undefined) {
    const shape = readWords(partOf(layout, "weight_shape", bytes, place), 32);
    if (shape[0] !== rows || shape[1] !== 0 || shape[2] !== columns || shape[3] !== 0) {
      throw new FormatError(
        `The part weight_shape says [${shape[0]}, ${shape[2]}]; the other parts hold [${rows}, ${columns}].`,
        place,
      );
    }
  }
  const zeros = new Int16Array(rows * groupCount).fill(2 ** (bits - 1));
  if (!symmetric) {
    const fields = new Uint8Array(rows * groupCount);
    const words = readWords(partOf(layout, "weight_zero_point", bytes, place), 32);
    unpackFields(streamFields(bits), words, zeroStreams(layout, 0, rows), fields);
    for (let group = 0, from = 0; group < groupCount; group++) {
      for (let row = 0; row < rows; row++, from++) zeros[row * groupCount + group] = fields[from]!;
    }
  }
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn:
      grouping === "any"
        ? readGroupIndex(layout, partOf(layout, "weight_g_idx", bytes, place), place)
        : sequentialGroups(columns, groupSize),
    scales: readFloats(partOf(layout, "weight_scale", bytes, place), scale),
    zeros,
    rounding: "none",
  };
}

/**
 * In files of layers that were not sorted, all entries are −1, since they were never set: columns are then grouped in
 * order.
 */
function readGroupIndex(
  { columns, groupCount }: CompressedTensorsLayout,
  bytes: Uint8Array,
  place: ErrorPlace,
): Int32Array {
  const groups = Int32Array.from(readWords(bytes, 32), (word) => word | 0);
  if (groups.every((group) => group === -1))
    return sequentialGroups(columns, Math.ceil(columns / groupCount));
  const bad = groups.findIndex((group) => group < 0 || group >= groupCount);
  if (bad === -1) return groups;
  throw new FormatError(
    `The part weight_g_idx puts column ${bad} into group ${groups[bad]}; there are ${groupCount} groups, 0 to ${groupCount - 1}.`,
    place,
  );
}

/** The one number of columns that the words of a row and the groups agree on. */
function columnsOf(rowWords: number, bits: number, groupCount: number, groupSize: number): number {
  const most = Math.floor((rowWords * 32) / bits);
  const fewest = Math.floor(((rowWords - 1) * 32) / bits) + 1;
  const grouped = groupSize > 0 ? groupSize * groupCount : most;
  return grouped >= fewest && grouped <= most ? grouped : most;
}

function groupSizeOf(columns: number, groupCount: number, claimed: number, place: ErrorPlace): number {
  if (groupCount === 1) return claimed >= columns ? claimed : -1;
  if (claimed > 0 && Math.ceil(columns / claimed) === groupCount) return claimed;
  if (columns % groupCount === 0) return columns / groupCount;
  throw new FormatError(
    `The part weight_scale has ${groupCount} groups, which do not divide ${columns} columns; the configuration says groups of ${claimed}.`,
    place,
  );
}

/** `columnStart` is a multiple of 32, where words begin anew. */
function rowStreams(
  columns: number,
  bits: number,
  rowStart: number,
  rowEnd: number,
  columnStart = 0,
  columnEnd: number = columns,
): FieldStreams {
  const width = Math.ceil((columns * bits) / 32);
  return {
    streams: rowEnd - rowStart,
    fields: columnEnd - columnStart,
    wordStart: rowStart * width + (columnStart * bits) / 32,
    wordStep: 1,
    streamStep: width,
    fieldStart: 0,
    fieldStep: columnEnd - columnStart,
  };
}

/** One stream per group, down its column; `rowStart` is a multiple of 32, where words begin anew. */
function zeroStreams(
  { bits, groupCount }: CompressedTensorsLayout,
  rowStart: number,
  rows: number,
): FieldStreams {
  return {
    streams: groupCount,
    fields: rows,
    wordStart: ((rowStart * bits) / 32) * groupCount,
    wordStep: groupCount,
    streamStep: 1,
    fieldStart: 0,
    fieldStep: rows,
  };
}

function partOf(
  layout: CompressedTensorsLayout,
  suffix: string,
  bytes: PartBytes,
  place?: ErrorPlace,
): Uint8Array {
  return partBytes(bytes, findPart(compressedTensorsCodec.parts(layout), suffix, place), place);
}

function matrixShape(part: LinearPart, encoding: string | undefined, place: ErrorPlace): [number, number] {
  const [outer, inner] = part.shape;
  if (part.shape.length !== 2 || !outer || !inner || (encoding !== undefined && part.encoding !== encoding)) {
    throw new FormatError(
      `The part ${part.suffix} is ${part.encoding} [${part.shape.join(", ")}]; ${encoding ?? "floats"} in a matrix were expected.`,
      place,
    );
  }
  return [outer, inner];
}
