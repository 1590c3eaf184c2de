import { type ErrorPlace, FormatError, halvesAreFinite } from "@requant/core";
import {
  type FieldStreams,
  type FieldTable,
  packFields,
  streamFields,
  unpackFields,
} from "@requant/core/bits";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type LinearPart,
  type PackedNibbles,
  type PartBytes,
  partBytes,
  readFloats,
  readWords,
  type ScaleEncoding,
  scaleEncoding,
  type UnpackCodes,
  viewWeight,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import {
  fittedView,
  type GroupedParameters,
  groupedFacts,
  groupedRanges,
  parametersByRow,
  roundingAllowed,
  sequentialGroups,
  type ViewRequirement,
} from "@requant/core/view";
import type { GptqCheckpointFormat, GptqPackDtype } from "./config.ts";
import { lowWords, readGroupIndex, settleGroupSize } from "./groups.ts";
import { planarFields } from "./planar.ts";
import { bitsOfZeros, bitsWithoutZeros } from "./width.ts";
import { onlyZero, packZeros, unpackZeros, type ZeroStorage, zeroRange, zeroStorageOf } from "./zeros.ts";

/** GPTQ: K in features (columns of W), N out features (rows), b bits, G groups, words of p bits
 *   qweight  I32 (I16, I8)     [K × b / p, N]  codes of one out feature down a column, as one stream of bits or in planes
 *   qzeros   as qweight        [G, N × b / p]  zero points along a row, packed the same way; see zeros.ts for the −1.
 *                                              Absent or empty in some symmetric files: then all are 2^(b − 1)
 *   scales   F16 (BF16, F32)   [G, N]
 *   g_idx    I32 (I64)         [K]             group of each column; columns themselves stay in order. Old files lack it
 * value = scale × (code − zero)
 * Sources: AutoGPTQ, nn_modules/qlinear; GPTQModel, nn_modules/qlinear; exllamav2, linear.py.
 */
export interface GptqLayout extends LinearLayout {
  readonly bits: number;
  readonly groupCount: number;
  /** Columns per group, −1 for all; with act-order the size that the groups were meant to have. */
  readonly groupSize: number;
  /** Every zero point is the middle code: a claim when a weight is read, a requirement when it is written. */
  readonly sym: boolean;
  readonly packing: "stream" | "planar";
  readonly packDtype: GptqPackDtype;
  readonly zeros: ZeroStorage;
  readonly scale: ScaleEncoding;
  /** "any": g_idx decides, columns of a group may be anywhere. "sequential": consecutive columns. */
  readonly grouping: "any" | "sequential";
  readonly hasGroupIndex: boolean;
  /** Absent: true. False where a symmetric weight is stored without zero points. */
  readonly hasZeros?: boolean | undefined;
  /** Absent: I32. */
  readonly groupIndex?: "I64" | undefined;
}

/** What the configuration must state; a `GptqConfig` has these fields. */
export interface GptqClaims {
  readonly groupSize: number;
  readonly sym: boolean;
  /** Needed only where no zero points are stored, whose width tells it. */
  readonly bits?: number | undefined;
  readonly checkpointFormat: GptqCheckpointFormat;
  readonly quantizer: readonly string[];
}

const WORD_BITS: Readonly<Record<GptqPackDtype, 32 | 16 | 8>> = { int32: 32, int16: 16, int8: 8 };
const WORD_ENCODINGS: Readonly<Record<GptqPackDtype, string>> = { int32: "I32", int16: "I16", int8: "I8" };

/** GPTQ weights of AutoGPTQ and GPTQModel. */
export const gptqCodec: LinearCodec<GptqLayout, GptqClaims> & LinearEncoder<GptqLayout> = {
  name: "GPTQ",
  suffixes: ["qweight", "qzeros", "scales", "g_idx"],
  requiredSuffixes: ["qweight", "scales"],

  readLayout(parts, claims, place = {}) {
    const qweight = findPart(parts, "qweight", place);
    const stored = parts.find(({ suffix }) => suffix === "qzeros");
    const qzeros = stored?.shape.includes(0) === true ? undefined : stored;
    const scales = findPart(parts, "scales", place);
    const groupIndex = parts.find(({ suffix }) => suffix === "g_idx");
    const packDtype = (["int32", "int16", "int8"] as const).find(
      (dtype) => WORD_ENCODINGS[dtype] === qweight.encoding,
    );
    if (packDtype === undefined || (qzeros !== undefined && qzeros.encoding !== qweight.encoding)) {
      throw new FormatError(
        `The part qweight is ${qweight.encoding}${qzeros === undefined ? "" : ` and qzeros is ${qzeros.encoding}`}; both must be I32, I16 or I8.`,
        place,
      );
    }
    const wordBits = WORD_BITS[packDtype];
    const [wordRows, rows] = matrixShape(qweight, place);
    const [scaleGroups, scaleRows] = matrixShape(scales, place);
    const groupCount = qzeros === undefined ? scaleGroups : matrixShape(qzeros, place)[0];
    if (scaleRows !== rows || scaleGroups !== groupCount) {
      throw new FormatError(
        `The part scales is [${scaleGroups}, ${scaleRows}]; [${groupCount}, ${rows}] was expected, the groups of qzeros and the columns of qweight.`,
        place,
      );
    }
    const bits =
      qzeros === undefined
        ? bitsWithoutZeros(claims, wordRows * wordBits, groupIndex, place)
        : bitsOfZeros(matrixShape(qzeros, place)[1], wordBits, rows, place);
    const columns = (wordRows * wordBits) / bits;
    if (!Number.isInteger(columns)) {
      throw new FormatError(
        `The part qweight has ${wordRows} rows of words, which do not hold a whole number of ${bits}-bit codes.`,
        place,
      );
    }
    if (
      groupIndex !== undefined &&
      (!["I32", "I64"].includes(groupIndex.encoding) || groupIndex.shape.join() !== `${columns}`)
    ) {
      throw new FormatError(
        `The part g_idx is ${groupIndex.encoding} [${groupIndex.shape.join(", ")}]; I32 [${columns}] was expected for ${bits}-bit codes.`,
        place,
      );
    }
    const planar = claims.checkpointFormat === "gptq_p" || bits === 5 || bits === 6 || bits === 7;
    const layout: GptqLayout = {
      rows,
      columns,
      bits,
      groupCount,
      groupSize:
        groupIndex === undefined
          ? settleGroupSize(columns, groupCount, claims.groupSize, place)
          : claims.groupSize,
      sym: claims.sym,
      packing: planar ? "planar" : "stream",
      packDtype,
      zeros: planar ? "stored" : zeroStorageOf(claims.checkpointFormat, bits, claims.quantizer),
      scale: scaleEncoding(scales, place),
      grouping: groupIndex === undefined ? "sequential" : "any",
      hasGroupIndex: groupIndex !== undefined,
      ...(qzeros === undefined ? { hasZeros: false } : {}),
      ...(groupIndex?.encoding === "I64" ? { groupIndex: "I64" as const } : {}),
    };
    checkLayout(layout, place);
    return layout;
  },

  parts(layout) {
    const { rows, columns, bits, groupCount, packDtype, scale, hasGroupIndex, hasZeros, groupIndex } = layout;
    const wordBits = WORD_BITS[packDtype];
    const encoding = WORD_ENCODINGS[packDtype];
    return [
      { suffix: "qweight", encoding, shape: [(columns * bits) / wordBits, rows] },
      ...(hasZeros === false
        ? []
        : [{ suffix: "qzeros", encoding, shape: [groupCount, (rows * bits) / wordBits] }]),
      { suffix: "scales", encoding: scale, shape: [groupCount, rows] },
      ...(hasGroupIndex ? [{ suffix: "g_idx", encoding: groupIndex ?? "I32", shape: [columns] }] : []),
    ];
  },

  parameterSuffixes: ({ hasGroupIndex, hasZeros }) => [
    ...(hasZeros === false ? [] : ["qzeros"]),
    "scales",
    ...(hasGroupIndex ? ["g_idx"] : []),
  ],

  measure(layout, bytes, place) {
    return groupedFacts(readParameters(layout, bytes, place), 2 ** layout.bits - 1, place);
  },

  open(layout, bytes, place) {
    const { packDtype } = layout;
    const parameters = readParameters(layout, bytes, place);
    const halves = layout.scale === "F16" ? readWords(partOf(layout, "scales", bytes, place), 16) : undefined;
    const zeros = zerosOf(parameters, halves, place);
    const words = readWords(partOf(layout, "qweight", bytes, place), WORD_BITS[packDtype]);
    const table = fieldsOf(layout);
    const unpack: UnpackCodes = (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      unpackFields(table, words, columnStreams(layout, rowStart, rowEnd, columnStart, columnEnd), codes);
    };
    const isPackedSo = layout.bits === 4 && layout.packing === "stream" && words instanceof Uint32Array;
    if (!isPackedSo || halves === undefined || zeros === undefined) {
      return viewWeight(parametersByRow(parameters), 32, unpack);
    }
    const { groupOfColumn } = parameters;
    const nibbles: PackedNibbles = { along: "columns", words, groupOfColumn, scales: halves, zeros };
    return viewWeight(parametersByRow(parameters), 32, unpack, nibbles);
  },

  requirement(layout) {
    return gptqRequirement(layout);
  },

  rowMultiple: () => 32,

  fromView(layout, view, rowStart, bytes) {
    const fitted = fittedView(view, roundingAllowed(gptqRequirement(layout)));
    const { rows, columns, groupCount, packDtype, scale, bits, zeros: storage } = layout;
    const wordBits = WORD_BITS[packDtype];
    const table = fieldsOf(layout);
    const rowEnd = rowStart + fitted.rows;
    packFields(
      table,
      fitted.codes,
      columnStreams(layout, rowStart, rowEnd),
      writeWords(partOf(layout, "qweight", bytes), wordBits),
    );
    const zeroWords = writeWords(partOf(layout, "qzeros", bytes), wordBits);
    const scaleWords = scaleWordsOf(partOf(layout, "scales", bytes), scale);
    const rowWords = (rows * bits) / wordBits;
    const zeros = new Int16Array(fitted.rows);
    for (let group = 0; group < groupCount; group++) {
      for (let row = 0; row < fitted.rows; row++) {
        const from = row * fitted.groupCount + group;
        zeros[row] = fitted.zeros[from]!;
        writeFloat(scaleWords, group * rows + rowStart + row, scale, fitted.scales[from]!);
      }
      packZeros(table, storage, zeros, zeroWords, group * rowWords + (rowStart * bits) / wordBits);
    }
    if (layout.hasGroupIndex) {
      const index = writeWords(partOf(layout, "g_idx", bytes), 32);
      for (let column = 0; column < columns; column++) index[column] = fitted.groupOfColumn[column]!;
    }
  },
};

/** What a view must be for the layout to hold it exactly. */
function gptqRequirement(layout: GptqLayout): ViewRequirement {
  const { bits, groupSize, sym, grouping, zeros, scale, packing } = layout;
  const range = zeroRange(zeros, bits);
  const groups = groupSize === -1 ? "one group per row" : `groups of ${groupSize}`;
  return {
    name: `GPTQ${packing === "planar" ? " in bit planes" : ""} with ${bits} bits and ${grouping === "any" ? "act-order" : groups}`,
    blockSize: grouping === "any" ? "any" : groupSize,
    shortLastBlock: true,
    codes: sym
      ? { kind: "signed", min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 }
      : { kind: "affine", maxCode: 2 ** bits - 1, minZero: range.min, maxZero: range.max },
    scale,
    // every reader computes in the type of the scales, which is nearly always f16
    roundsToHalf: scale === "F16",
  };
}

export function wordBitsOf({ packDtype }: GptqLayout): 32 | 16 | 8 {
  return WORD_BITS[packDtype];
}

function scaleWordsOf(bytes: Uint8Array, scale: ScaleEncoding): Uint32Array | Uint16Array {
  return scale === "F32" ? writeWords(bytes, 32) : writeWords(bytes, 16);
}

/** Where the bits of codes and zero points are. */
export function fieldsOf({ bits, packing, packDtype }: GptqLayout): FieldTable {
  return packing === "planar" ? planarFields(bits) : streamFields(bits, WORD_BITS[packDtype]);
}

/** `columnStart` is a multiple of 32, where words begin anew. */
function columnStreams(
  { rows, columns, bits, packDtype }: GptqLayout,
  rowStart: number,
  rowEnd: number,
  columnStart = 0,
  columnEnd: number = columns,
): FieldStreams {
  const width = columnEnd - columnStart;
  return {
    streams: rowEnd - rowStart,
    fields: width,
    wordStart: ((columnStart * bits) / WORD_BITS[packDtype]) * rows + rowStart,
    wordStep: rows,
    streamStep: 1,
    fieldStart: 0,
    fieldStep: width,
  };
}

/** Scales and zero points are read on first use: most weights are passed on in their packed form. */
function readParameters(layout: GptqLayout, bytes: PartBytes, place?: ErrorPlace): GroupedParameters {
  const { rows, columns, groupCount, groupSize, packDtype, scale, zeros: storage, hasGroupIndex } = layout;
  const words =
    layout.hasZeros === false
      ? undefined
      : readWords(partOf(layout, "qzeros", bytes, place), WORD_BITS[packDtype]);
  const table = fieldsOf(layout);
  const middle = 2 ** (layout.bits - 1);
  const groupOfColumn = hasGroupIndex
    ? storedGroups(layout, bytes, place)
    : sequentialGroups(columns, groupSize).map((group) => Math.min(group, groupCount - 1));
  const scales = partOf(layout, "scales", bytes, place);
  let groupScales: Float32Array | undefined;
  let groupZeros: Int16Array | undefined;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn,
    groupHalves: scale === "F16" ? readWords(scales, 16) : undefined,
    get groupScales() {
      groupScales ??= readFloats(scales, scale);
      return groupScales;
    },
    get groupZeros() {
      groupZeros ??=
        words === undefined
          ? new Int16Array(groupCount * rows).fill(middle)
          : unpackZeros(table, storage, words, groupCount, rows);
      return groupZeros;
    },
    onlyZero: words === undefined ? middle : onlyZero(table, storage, words),
    rounding: "none",
  };
}

/** What g_idx says. @throws FormatError for a group that is not there */
export function storedGroups(layout: GptqLayout, bytes: PartBytes, place?: ErrorPlace): Int32Array {
  const words = readWords(partOf(layout, "g_idx", bytes, place), 32);
  return readGroupIndex(layout.groupIndex === "I64" ? lowWords(words) : words, layout.groupCount, place);
}

/**
 * Zero points as `PackedNibbles` has them; undefined where a zero point does not fit 4 bits. `halves`: the scales, if
 * they are f16.
 * @throws FormatError when a scale is not finite
 */
function zerosOf(
  parameters: GroupedParameters,
  halves: Uint16Array | undefined,
  place?: ErrorPlace,
): PackedNibbles["zeros"] | undefined {
  const { onlyZero } = parameters;
  if (halves !== undefined && onlyZero !== undefined && halvesAreFinite(halves)) {
    return onlyZero <= 15 ? onlyZero : undefined;
  }
  const { minZero, maxZero } = groupedRanges(parameters, place);
  if (maxZero > 15) return undefined;
  return minZero === maxZero ? minZero : Uint8Array.from(parameters.groupZeros);
}

function partOf(layout: GptqLayout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(gptqCodec.parts(layout), suffix, place), place);
}

function matrixShape({ suffix, shape }: LinearPart, place: ErrorPlace): [number, number] {
  const [outer, inner] = shape;
  if (shape.length !== 2 || !outer || !inner) {
    throw new FormatError(
      `The part ${suffix} has shape [${shape.join(", ")}]; a matrix was expected.`,
      place,
    );
  }
  return [outer, inner];
}

/**
 * Checks that a layout can be stored.
 * @throws FormatError when a layout cannot be packed in whole words
 */
export function checkLayout(layout: GptqLayout, place: ErrorPlace = {}): void {
  const { rows, columns, bits, packing, packDtype, groupCount } = layout;
  const wordBits = WORD_BITS[packDtype];
  const block = packing === "planar" || 32 % bits !== 0 ? 32 : wordBits / bits;
  if (rows % block !== 0 || columns % block !== 0) {
    throw new FormatError(
      `A weight of [${rows}, ${columns}] does not fill whole words: ${bits}-bit codes are packed ${block} at a time in both directions.`,
      { hint: "Leave this weight in a float type.", ...place },
    );
  }
  if (packDtype !== "int32" && (packing === "planar" || 32 % bits !== 0)) {
    throw new FormatError(`${bits}-bit codes are packed in int32 words, not ${packDtype}.`, place);
  }
  if (groupCount < 1) throw new FormatError("A weight without groups has no scales.", place);
}
