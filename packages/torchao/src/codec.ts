import { type ErrorPlace, FormatError } from "@requant/core";
import {
  checkParts,
  findPart,
  float8Weight,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type OpenedWeight,
  type PartBytes,
  partBytes,
  readFloats,
  type ScaleEncoding,
  SIGNED_BYTE_ZERO,
  scaleEncoding,
  signedByteWeight,
} from "@requant/core/format";
import { FLOAT8_ENCODINGS, type Float8Encoding } from "@requant/core/numeric";
import {
  type Factor,
  sequentialGroups,
  type ViewFacts,
  type ViewParameters,
  viewFacts,
} from "@requant/core/view";

/** torchao in safetensors: K columns of W, N rows, G groups
 *   _weight_qdata       I8, F8_E4M3 or F8_E5M2  [N, K]
 *   _weight_scale       F32 (BF16, F16)         [N, G]
 *   _weight_zero_point  I8                      [N, G]  of integers; absent: 0
 * value = scale × (code − zero)
 * Codes of fewer bits are whole bytes, too. torchao rounds the values to the type that the file's metadata names.
 * Source: torchao, quantization/quantize_/workflows, prototype/safetensors.
 */
export interface TorchaoLayout extends LinearLayout {
  readonly kind: "int8" | "float8";
  /** Of 8-bit floats, and only of these. */
  readonly codes?: Float8Encoding | undefined;
  /** Columns that share a scale. */
  readonly groupSize: number;
  readonly scale: ScaleEncoding;
  readonly hasZeros: boolean;
}

const MAX_CODE = 255;

/** Weights of torchao that are not packed: integers and 8-bit floats. */
export const torchaoCodec: LinearCodec<TorchaoLayout, unknown, OpenedWeight> = {
  name: "torchao",
  suffixes: ["_weight_qdata", "_weight_scale", "_weight_zero_point"],
  requiredSuffixes: ["_weight_qdata", "_weight_scale"],
  readLayout,
  parts: partsOf,
  parameterSuffixes: ({ hasZeros }) => ["_weight_scale", ...(hasZeros ? ["_weight_zero_point"] : [])],
  measure,
  open(layout, bytes, place = {}) {
    measure(layout, bytes, place);
    const stored = partOf(layout, "_weight_qdata", bytes, place);
    const parameters = parametersOf(layout, bytes, place);
    if (layout.kind === "int8") return signedByteWeight(parameters, stored);
    const { rows, columns, groupCount, groupOfColumn, scales } = parameters;
    const factor: Factor = { values: scales, span: { kind: "columns", groupCount, groupOfColumn } };
    return float8Weight({ rows, columns, factors: [factor] }, stored, layout.codes);
  },
};

function readLayout(parts: readonly LinearPart[], _claims: unknown, place: ErrorPlace = {}): TorchaoLayout {
  const { encoding, shape } = findPart(parts, "_weight_qdata", place);
  const scale = findPart(parts, "_weight_scale", place);
  const codes = FLOAT8_ENCODINGS.find((one) => one === encoding);
  const [rows = 0, columns = 0] = shape;
  const [, groupCount = 0] = scale.shape;
  const isMatrix = shape.length === 2 && Number.isSafeInteger(rows * columns) && rows > 0 && columns > 0;
  const groupSize = columns / groupCount;
  const isKnown = encoding === "I8" || codes !== undefined;
  if (!isKnown || !isMatrix || !Number.isSafeInteger(groupSize) || groupSize <= 0) {
    throw new FormatError(
      `The part _weight_qdata is ${encoding} [${shape.join(", ")}] and _weight_scale [${scale.shape.join(", ")}]; I8, ${FLOAT8_ENCODINGS.join(" or ")} [rows, columns] and [rows, groups] were expected.`,
      place,
    );
  }
  const hasZeros = parts.some(({ suffix }) => suffix === "_weight_zero_point");
  if (hasZeros && codes !== undefined) {
    throw new FormatError(
      `The part _weight_zero_point belongs to integers, and _weight_qdata is ${encoding}.`,
      place,
    );
  }
  const layout: TorchaoLayout = {
    rows,
    columns,
    ...(codes === undefined ? { kind: "int8" } : { kind: "float8", codes }),
    groupSize,
    scale: scaleEncoding(scale, place),
    hasZeros,
  };
  checkParts(parts, partsOf(layout), layout, place);
  return layout;
}

function partsOf(layout: TorchaoLayout): LinearPart[] {
  const { rows, columns, codes = "I8", groupSize, scale, hasZeros } = layout;
  const groups = [rows, columns / groupSize];
  return [
    { suffix: "_weight_qdata", encoding: codes, shape: [rows, columns] },
    { suffix: "_weight_scale", encoding: scale, shape: groups },
    ...(hasZeros ? [{ suffix: "_weight_zero_point", encoding: "I8", shape: groups }] : []),
  ];
}

function partOf(layout: TorchaoLayout, suffix: string, bytes: PartBytes, place: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(partsOf(layout), suffix, place), place);
}

function measure(layout: TorchaoLayout, bytes: PartBytes, place: ErrorPlace = {}): ViewFacts | undefined {
  const facts = viewFacts(parametersOf(layout, bytes, place), MAX_CODE, place);
  if (layout.kind === "int8") return facts;
  return layout.codes === "F8_E5M2" ? undefined : { ...facts, table: "E4M3" };
}

function parametersOf(layout: TorchaoLayout, bytes: PartBytes, place: ErrorPlace): ViewParameters {
  const { rows, columns, kind, groupSize, scale, hasZeros } = layout;
  const groupCount = columns / groupSize;
  const middle = kind === "int8" ? SIGNED_BYTE_ZERO : 0;
  const stored = hasZeros ? partOf(layout, "_weight_zero_point", bytes, place) : new Uint8Array(0);
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn: sequentialGroups(columns, groupSize),
    scales: readFloats(partOf(layout, "_weight_scale", bytes, place), scale),
    zeros: Int16Array.from(
      { length: rows * groupCount },
      (_, i) => middle + (((stored[i] ?? 0) << 24) >> 24),
    ),
    rounding: "none",
  };
}
