import type { ErrorPlace } from "@requant/core";
import {
  findPart,
  finiteFloats,
  float8Weight,
  type LevelParameters,
  type LinearCodec,
  levelWeight,
  type OpenedWeight,
  type PartBytes,
  partBytes,
  readFloats,
  SIGNED_BYTE_ZERO,
  signedByteWeight,
} from "@requant/core/format";
import {
  isBfloat,
  isHalf,
  type Span,
  sequentialGroups,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
} from "@requant/core/view";
import { ACTIVATION_SUFFIXES, partsOf, type QuantoClaims, type QuantoLayout, readLayout } from "./layout.ts";

export type { QuantoClaims, QuantoLayout } from "./layout.ts";

/** Weights of quanto: integers, 8-bit floats, and packed integers with float offsets. */
export const quantoCodec: LinearCodec<QuantoLayout, QuantoClaims, OpenedWeight> = {
  name: "quanto",
  suffixes: ["weight._data", "weight._data._data", "weight._scale", "weight._shift", ...ACTIVATION_SUFFIXES],
  requiredSuffixes: ["weight._scale"],
  readLayout,
  parts: partsOf,
  parameterSuffixes: (layout) =>
    partsOf(layout)
      .map(({ suffix }) => suffix)
      .filter((suffix) => !suffix.startsWith("weight._data")),
  measure,
  open(layout, bytes, place = {}) {
    measure(layout, bytes, place);
    return OPENERS[layout.kind](layout, bytes, place);
  },
};

type Open = (layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace) => OpenedWeight;

const OPENERS: Readonly<Record<QuantoLayout["kind"], Open>> = {
  int8: openIntegers,
  float8: openFloats,
  packed: openPacked,
};

function measure(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace = {}): ViewFacts | undefined {
  for (const part of layout.activations) partBytes(bytes, part, place);
  const parameters = integerParameters(layout, bytes, place);
  const maxCode = 2 ** layout.bits - 1;
  const facts = viewFacts(parameters, maxCode, place);
  if (layout.kind === "int8") return facts;
  if (layout.kind === "float8") return layout.codes === "F8_E5M2" ? undefined : { ...facts, table: "E4M3" };
  const shifts = shiftsOf(layout, bytes, place);
  return { ...facts, bias: { areHalf: shifts.every(isHalf), areBfloat: shifts.every(isBfloat) } };
}

/** Scales, and the zero point of signed bytes; the other kinds have none. */
function integerParameters(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace): ViewParameters {
  const { rows, columns, kind, groupSize } = layout;
  const groupCount = columns / groupSize;
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    scales: floatsOf(layout, "weight._scale", bytes, place),
    zeros: new Int16Array(rows * groupCount).fill(kind === "int8" ? SIGNED_BYTE_ZERO : 0),
    rounding: "none",
  };
}

function floatsOf(layout: QuantoLayout, suffix: string, bytes: PartBytes, place: ErrorPlace): Float32Array {
  return readFloats(partBytes(bytes, findPart(partsOf(layout), suffix, place), place), layout.scale);
}

/** @throws FormatError for a number that is not finite */
function shiftsOf(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace): Float32Array {
  return finiteFloats(floatsOf(layout, "weight._shift", bytes, place), "weight._shift", place);
}

function openIntegers(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace): OpenedWeight {
  const stored = partBytes(bytes, findPart(partsOf(layout), "weight._data", place), place);
  return signedByteWeight(integerParameters(layout, bytes, place), stored);
}

/** The parameters of a level view but its levels and offset. */
function levelParameters(
  layout: QuantoLayout,
  bytes: PartBytes,
  place: ErrorPlace,
): Omit<LevelParameters, "levels" | "offset"> & { readonly span: Span } {
  const { rows, columns, groupCount, groupOfColumn, scales } = integerParameters(layout, bytes, place);
  const span: Span = { kind: "columns", groupCount, groupOfColumn };
  return { rows, columns, factors: [{ values: scales, span }], rounding: "none", span };
}

function openFloats(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace): OpenedWeight {
  const stored = partBytes(bytes, findPart(partsOf(layout), "weight._data", place), place);
  return float8Weight(levelParameters(layout, bytes, place), stored, layout.codes);
}

function openPacked(layout: QuantoLayout, bytes: PartBytes, place: ErrorPlace): OpenedWeight {
  const { columns, rows, bits, groupSize } = layout;
  const { span, ...parameters } = levelParameters(layout, bytes, place);
  const stored = partBytes(bytes, findPart(partsOf(layout), "weight._data._data", place), place);
  const values = shiftsOf(layout, bytes, place).map((shift) => -shift);
  /** Codes whose rows share bytes are so many weights apart. */
  const stride = (rows * columns * bits) / 8;
  const mask = 2 ** bits - 1;
  return levelWeight(
    { ...parameters, levels: "integer", offset: { kind: "bias", values, span } },
    (rowStart, rowEnd, codes) => {
      const start = rowStart * columns;
      // every group is in one row, and has all its codes at the same place in their bytes
      for (let at = start; at < rowEnd * columns; at += groupSize) {
        const field = Math.floor(at / stride);
        const from = at - field * stride;
        for (let i = 0; i < groupSize; i++) {
          codes[at - start + i] = (stored[from + i]! >> (field * bits)) & mask;
        }
      }
    },
  );
}
