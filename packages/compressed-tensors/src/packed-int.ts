import { type ErrorPlace, FormatError } from "@requant/core";
import { streamFields, unpackFields } from "@requant/core/bits";
import {
  findPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearPart,
  type PartBytes,
  partBytes,
  readWords,
  scaleEncoding,
  viewWeight,
  writeFloat,
  writeWords,
} from "@requant/core/format";
import {
  fittedView,
  roundingAllowed,
  type ViewParameters,
  type ViewRequirement,
  viewFacts,
} from "@requant/core/view";
import {
  type CompressedTensorsClaims,
  type CompressedTensorsLayout,
  columnsOf,
  groupSizeOf,
  wordCount,
} from "./layout.ts";
import { rowStreams, writeCodes, writeIntegers, writeZeros } from "./pack.ts";
import { readParameters } from "./parameters.ts";
import { matrixShape } from "./parts.ts";
import { unpackLoose } from "./words.ts";

export type { CompressedTensorsClaims, CompressedTensorsLayout } from "./layout.ts";

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
    // without g_idx the width of a row is known to the word; weight_shape, checked on opening, has the last word
    const sizes = {
      rows,
      rowWords,
      groupCount,
      groupIndexLength: groupIndex?.shape[0],
      zeroWords: zeros?.encoding === "I32" ? zeros.shape[0] : undefined,
    };
    const { columns, packing } = columnsOf(sizes, claims);
    const layout: CompressedTensorsLayout = {
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
      ...(packing === undefined ? {} : { packing }),
      ...(zeros?.encoding === "I8" ? { zeros: "I8" as const } : {}),
      ...(parts.find(({ suffix }) => suffix === "weight_shape")?.encoding === "I32"
        ? { shape: "I32" as const }
        : {}),
      ...(groupIndex?.encoding === "I64" ? { groupIndex: "I64" as const } : {}),
    };
    const width = wordCount(layout, columns);
    if (scaleRows !== rows || width !== rowWords) {
      throw new FormatError(
        `The part weight_packed is [${rows}, ${rowWords}] and weight_scale is [${scaleRows}, ${groupCount}]; [${rows}, ${width}] and [${rows}, groups] were expected for ${columns} columns of ${bits} bits.`,
        place,
      );
    }
    if (zeros !== undefined) {
      const [zeroRows, zeroGroups] = matrixShape(zeros, layout.zeros ?? "I32", place);
      const expected = layout.zeros === "I8" ? rows : wordCount(layout, rows);
      if (zeroRows !== expected || zeroGroups !== groupCount) {
        throw new FormatError(
          `The part weight_zero_point is [${zeroRows}, ${zeroGroups}]; [${expected}, ${groupCount}] was expected.`,
          place,
        );
      }
    }
    return layout;
  },

  parts(layout) {
    const { rows, columns, groupCount, symmetric, scale, grouping } = layout;
    const all: LinearPart[] = [
      { suffix: "weight_packed", encoding: "I32", shape: [rows, wordCount(layout, columns)] },
      { suffix: "weight_scale", encoding: scale, shape: [rows, groupCount] },
      { suffix: "weight_shape", encoding: layout.shape ?? "I64", shape: [2] },
    ];
    if (!symmetric) {
      const shape = [layout.zeros === "I8" ? rows : wordCount(layout, rows), groupCount];
      all.push({ suffix: "weight_zero_point", encoding: layout.zeros ?? "I32", shape });
    }
    if (grouping === "any") {
      all.push({ suffix: "weight_g_idx", encoding: layout.groupIndex ?? "I32", shape: [columns] });
    }
    return all;
  },

  parameterSuffixes: ({ symmetric, grouping }) => [
    "weight_scale",
    "weight_shape",
    ...(symmetric ? [] : ["weight_zero_point"]),
    ...(grouping === "any" ? ["weight_g_idx"] : []),
  ],

  measure(layout, bytes, place) {
    return viewFacts(parametersOf(layout, bytes, place), 2 ** layout.bits - 1, place);
  },

  open(layout, bytes, place) {
    const { columns, bits } = layout;
    const parameters = parametersOf(layout, bytes, place);
    viewFacts(parameters, 2 ** bits - 1, place);
    const words = readWords(partOf(layout, "weight_packed", bytes, place), 32);
    if (layout.packing === "loose") {
      const step = wordCount(layout, columns);
      return viewWeight(parameters, 32, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
        for (let row = rowStart, at = 0; row < rowEnd; row++) {
          const stream = { bits, wordStart: row * step, wordStep: 1 };
          at = unpackLoose(words, stream, [columnStart ?? 0, columnEnd ?? columns], codes, at);
        }
      });
    }
    const table = streamFields(bits);
    return viewWeight(parameters, 32, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      unpackFields(table, words, rowStreams(columns, bits, rowStart, rowEnd, columnStart, columnEnd), codes);
    });
  },

  requirement: requirementOf,

  rowMultiple: ({ packing, bits }) => (packing === "loose" ? Math.floor(32 / bits) : 32),

  fromView(layout, view, rowStart, bytes) {
    const { rows, columns, groupCount, scale, symmetric, grouping } = layout;
    const fitted = fittedView(view, roundingAllowed(requirementOf(layout)));
    const part = (suffix: string): Uint8Array => partOf(layout, suffix, bytes);
    writeCodes(layout, fitted, rowStart, writeWords(part("weight_packed"), 32));
    const scaleBytes = part("weight_scale");
    const scaleWords = scale === "F32" ? writeWords(scaleBytes, 32) : writeWords(scaleBytes, 16);
    for (let i = 0; i < fitted.scales.length; i++) {
      writeFloat(scaleWords, rowStart * groupCount + i, scale, fitted.scales[i]!);
    }
    writeIntegers(Uint32Array.of(rows, columns), layout.shape ?? "I64", part("weight_shape"));
    if (!symmetric) writeZeros(layout, fitted, rowStart, part("weight_zero_point"));
    if (grouping === "any") {
      writeIntegers(Uint32Array.from(fitted.groupOfColumn), layout.groupIndex ?? "I32", part("weight_g_idx"));
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

function parametersOf(
  layout: CompressedTensorsLayout,
  bytes: PartBytes,
  place: ErrorPlace = {},
): ViewParameters {
  const part = (suffix: string): Uint8Array => partOf(layout, suffix, bytes, place);
  return readParameters(layout, part, bytes["weight_shape"] !== undefined, place);
}

function partOf(
  layout: CompressedTensorsLayout,
  suffix: string,
  bytes: PartBytes,
  place?: ErrorPlace,
): Uint8Array {
  return partBytes(bytes, findPart(compressedTensorsCodec.parts(layout), suffix, place), place);
}
