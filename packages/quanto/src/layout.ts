import { type ErrorPlace, FormatError } from "@requant/core";
import {
  checkParts,
  findPart,
  type LinearLayout,
  type LinearPart,
  type ScaleEncoding,
  scaleEncoding,
} from "@requant/core/format";
import { FLOAT8_ENCODINGS, type Float8Encoding } from "@requant/core/numeric";

/** quanto, one scale for each row: K columns of W, N rows
 *   weight._data   I8, F8_E4M3 or F8_E5M2    [N, K]
 *   weight._scale  BF16 (F16, F32)           [N, 1]
 * value = scale × code
 *
 * quanto, groups of g columns: W flattened is a matrix of R = N K / g rows
 *   weight._data._data  U8        [R / F, g]  F codes of 2 or 4 bits in a byte, of rows R / F apart; the first R / F rows
 *                                             in the lowest bits
 *   weight._scale       as above  [R, 1]
 *   weight._shift       as scale  [R, 1]
 * value = scale × code − shift
 * N and K are in no tensor.
 *
 * quanto rounds each step to the type of the scales; the value here is rounded to f32 once. input_scale and output_scale
 * belong to the activations.
 * Source: optimum-quanto, tensor/weights/qbits.py, tensor/packed.py, tensor/grouped.py.
 */
export interface QuantoLayout extends LinearLayout {
  readonly kind: "int8" | "float8" | "packed";
  /** Of 8-bit floats, and only of these. */
  readonly codes?: Float8Encoding | undefined;
  /** Of a code: 2, 4 or 8. */
  readonly bits: number;
  /** Columns that share a scale. */
  readonly groupSize: number;
  readonly scale: ScaleEncoding;
  /** Scales of activations that are stored beside the weight. */
  readonly activations: readonly LinearPart[];
}

/** What the tensors do not show of packed codes. */
export interface QuantoClaims {
  /** Rows of W. */
  readonly rows?: number | undefined;
  readonly columns?: number | undefined;
  readonly bits?: number | undefined;
}

/** Scales of activations, which do not belong to the weight. */
export const ACTIVATION_SUFFIXES: readonly string[] = ["input_scale", "output_scale"];

/** The parts that a layout stores. */
export function partsOf(layout: QuantoLayout): LinearPart[] {
  const { rows, columns, kind, codes = "I8", bits, groupSize, scale, activations } = layout;
  if (kind !== "packed") {
    return [
      { suffix: "weight._data", encoding: codes, shape: [rows, columns] },
      { suffix: "weight._scale", encoding: scale, shape: [rows, 1] },
      ...activations,
    ];
  }
  const groups = (rows * columns) / groupSize;
  return [
    { suffix: "weight._data._data", encoding: "U8", shape: [(groups * bits) / 8, groupSize] },
    { suffix: "weight._scale", encoding: scale, shape: [groups, 1] },
    { suffix: "weight._shift", encoding: scale, shape: [groups, 1] },
    ...activations,
  ];
}

/** The layout that the parts have. @throws FormatError where they contradict each other or the claims */
export function readLayout(
  parts: readonly LinearPart[],
  claims: QuantoClaims,
  place: ErrorPlace = {},
): QuantoLayout {
  const isPacked = parts.some(({ suffix }) => suffix === "weight._data._data");
  const layout = isPacked ? packedLayout(parts, claims, place) : plainLayout(parts, place);
  checkParts(parts, partsOf(layout), layout, place);
  return layout;
}

function activationsOf(parts: readonly LinearPart[]): LinearPart[] {
  return parts
    .filter(({ suffix }) => ACTIVATION_SUFFIXES.includes(suffix))
    .map(({ suffix, encoding, shape }) => ({ suffix, encoding, shape: [...shape] }));
}

function plainLayout(parts: readonly LinearPart[], place: ErrorPlace): QuantoLayout {
  const { encoding, shape } = findPart(parts, "weight._data", place);
  const [rows, columns] = shape;
  const codes = FLOAT8_ENCODINGS.find((one) => one === encoding);
  const isKnown = encoding === "I8" || codes !== undefined;
  if (!isKnown || shape.length !== 2 || !isCount(rows) || !isCount(columns)) {
    throw new FormatError(
      `The part weight._data is ${encoding} [${shape.join(", ")}]; I8, ${FLOAT8_ENCODINGS.join(" or ")} in a matrix was expected.`,
      place,
    );
  }
  return {
    rows,
    columns,
    ...(codes === undefined ? { kind: "int8" } : { kind: "float8", codes }),
    bits: 8,
    groupSize: columns,
    scale: scaleEncoding(findPart(parts, "weight._scale", place), place),
    activations: activationsOf(parts),
  };
}

function packedLayout(
  parts: readonly LinearPart[],
  { rows, columns }: QuantoClaims,
  place: ErrorPlace,
): QuantoLayout {
  const { shape } = findPart(parts, "weight._data._data", place);
  const scale = findPart(parts, "weight._scale", place);
  const [groups] = scale.shape;
  const [packedRows, groupSize] = shape;
  const isMatrix = isCount(groups) && isCount(packedRows) && isCount(groupSize) && shape.length === 2;
  if (!isMatrix || !Number.isSafeInteger(groups * groupSize)) {
    throw new FormatError(
      `The part weight._data._data is [${shape.join(", ")}] and weight._scale [${scale.shape.join(", ")}]; matrices were expected.`,
      place,
    );
  }
  const bits = (8 * packedRows) / groups;
  const count = groups * groupSize;
  const own = columns ?? count / (rows ?? 1);
  if ((bits !== 2 && bits !== 4) || !isCount(own) || !isCount(count / own) || own % groupSize !== 0) {
    throw new FormatError(
      `The parts hold ${count} codes of ${bits} bits in groups of ${groupSize}, and the weight is said to have ${columns === undefined ? `${rows} rows` : `${columns} columns`}; 2 or 4 bits and whole groups in each row were expected.`,
      place,
    );
  }
  return {
    rows: count / own,
    columns: own,
    kind: "packed",
    bits,
    groupSize,
    scale: scaleEncoding(scale, place),
    activations: activationsOf(parts),
  };
}

function isCount(size: number | undefined): size is number {
  return size !== undefined && Number.isSafeInteger(size) && size > 0;
}
