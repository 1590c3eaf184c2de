import { type ErrorPlace, FormatError } from "@requant/core";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  readFloats,
  type ScaleEncoding,
  scaleEncoding,
  viewWeight,
} from "@requant/core/format";
import { type ViewParameters, viewFacts } from "@requant/core/view";

/** BitNet, packed by transformers: N rows and K columns of W
 *   weight        U8              [N / 4, K]  codes of four rows in a byte: row r is in byte row r mod N/4, the first N/4
 *                                             rows in the lowest two bits
 *   weight_scale  BF16 (F16, F32) [1]
 * value = (code − 1) / weight_scale with linear_class "bitlinear" (the default), (code − 1) × weight_scale with
 * "autobitlinear"; code 0, 1 or 2. 1 / weight_scale is rounded to f32 once, which gives the same values.
 * Source: transformers, integrations/bitnet.py (`pack_weights`, `BitLinear`, `AutoBitLinear`).
 */
export interface BitnetLayout extends LinearLayout {
  /** Whether weight_scale is multiplied by, or divided by. */
  readonly scaleIs: "factor" | "divisor";
  readonly scale: ScaleEncoding;
  /** Whether weight_scale has a dimension. */
  readonly scaleRank: 0 | 1;
}

/** What the tensors do not show. */
export interface BitnetClaims {
  readonly scaleIs: BitnetLayout["scaleIs"];
}

/** Codes in a byte. */
const FIELDS = 4;
/** The code of 0. */
const ZERO = 1;
const MAX_CODE = 2;

/** Ternary weights. */
export const bitnetCodec: LinearCodec<BitnetLayout, BitnetClaims> = {
  name: "BitNet",
  suffixes: ["weight", "weight_scale"],
  requiredSuffixes: ["weight", "weight_scale"],

  readLayout(parts, { scaleIs }, place = {}) {
    const { encoding, shape } = findPart(parts, "weight", place);
    const scale = findPart(parts, "weight_scale", place);
    const [packedRows = 0, columns = 0] = shape;
    const isMatrix = shape.length === 2 && [packedRows, columns].every((size) => size > 0);
    const isOne = scale.shape.length <= 1 && scale.shape.every((size) => size === 1);
    if (encoding !== "U8" || !isMatrix || !Number.isSafeInteger(FIELDS * packedRows * columns) || !isOne) {
      throw new FormatError(
        `The part weight is ${encoding} [${shape.join(", ")}] and weight_scale [${scale.shape.join(", ")}]; U8 [rows / 4, columns] and one number were expected.`,
        place,
      );
    }
    return {
      rows: FIELDS * packedRows,
      columns,
      scaleIs,
      scale: scaleEncoding(scale, place),
      scaleRank: scale.shape.length === 0 ? 0 : 1,
    };
  },

  parts({ rows, columns, scale, scaleRank }): LinearPart[] {
    return [
      { suffix: "weight", encoding: "U8", shape: [rows / FIELDS, columns] },
      { suffix: "weight_scale", encoding: scale, shape: scaleRank === 0 ? [] : [1] },
    ];
  },

  parameterSuffixes: () => ["weight_scale"],

  measure: (layout, bytes, place) => viewFacts(parametersOf(layout, bytes, place), MAX_CODE, place),

  open(layout, bytes, place = {}) {
    const { rows, columns } = layout;
    const parameters = parametersOf(layout, bytes, place);
    const stored = partBytes(bytes, findPart(bitnetCodec.parts(layout), "weight", place), place);
    const packedRows = rows / FIELDS;
    return viewWeight(parameters, 1, (rowStart, rowEnd, codes, columnStart, columnEnd) => {
      for (let row = rowStart, at = 0; row < rowEnd; row++) {
        const field = Math.floor(row / packedRows);
        const shift = 2 * field;
        const from = (row - field * packedRows) * columns;
        for (let column = columnStart; column < columnEnd; column++) {
          const code = (stored[from + column]! >> shift) & 3;
          if (code > MAX_CODE) throw fourthCode(row, column, place);
          codes[at++] = code;
        }
      }
    });
  },
};

function fourthCode(row: number, column: number, place: ErrorPlace): FormatError {
  return new FormatError(
    `The code in row ${row}, column ${column} is 3; weights of BitNet have the codes 0, 1 and 2.`,
    place,
  );
}

function parametersOf(layout: BitnetLayout, bytes: PartBytes, place: ErrorPlace = {}): ViewParameters {
  const { rows, columns, scale, scaleIs } = layout;
  const part = partBytes(bytes, findPart(bitnetCodec.parts(layout), "weight_scale", place), place);
  const [stored = 0] = readFloats(part, scale);
  const factor = scaleIs === "factor" ? stored : Math.fround(1 / stored);
  if (!Number.isFinite(stored) || !Number.isFinite(factor)) {
    throw new FormatError(
      `The part weight_scale is ${stored}, by which weights cannot be ${scaleIs === "factor" ? "multiplied" : "divided"}.`,
      place,
    );
  }
  return {
    rows,
    columns,
    groupCount: 1,
    groupOfColumn: new Int32Array(columns),
    scales: new Float32Array(rows).fill(factor),
    zeros: new Int16Array(rows).fill(ZERO),
    rounding: "none",
  };
}
