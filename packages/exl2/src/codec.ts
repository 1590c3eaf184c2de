import { type ErrorPlace, FormatError, halfToFloat } from "@requant/core";
import { type FieldTable, streamFields, unpackFields } from "@requant/core/bits";
import {
  findPart,
  type LinearCodec,
  type LinearLayout,
  type LinearPart,
  type PartBytes,
  partBytes,
  readWords,
  viewWeight,
} from "@requant/core/format";
import { type ViewParameters, viewFacts } from "@requant/core/view";
import { type Exl2Group, readGroups } from "./groups.ts";
import { invertPermutation, readPermutation } from "./permutation.ts";
import { groupScales } from "./scales.ts";

/** EXL2: K columns of W, N rows, N' = N rounded up to 32, G groups, R rows of words
 *   q_weight     I32  [R, N']      groups of stored rows one after another; in each, a column's codes are one bit stream
 *   q_invperm    I32  [K]          column k of W is stored row q_invperm[k]
 *   q_scale      I32  [G, N' / 8]  4-bit S − 1, nibble i of word c for row 8c + i of W
 *   q_scale_max  F16  [G]
 *   q_groups     I16  [2 G]        unsigned: (bits, first row of words) per group; widths only fall
 * Old files hold q_perm in place of q_invperm. value = f16((code − 2^(bits − 1)) × scale), scales.ts.
 * Source: exllamav2, linear.py, conversion/adaptivegptq.py.
 */
export interface Exl2Layout extends LinearLayout {
  /** N': rows that are stored, the last of them padding. */
  readonly storedRows: number;
  readonly groupCount: number;
  readonly wordRows: number;
  readonly permutation: "q_invperm" | "q_perm";
}

/** What the tensors do not show: the number of rows without padding, from a bias or from the model's sizes. */
export interface Exl2Claims {
  /** Out features; undefined: all stored rows. */
  readonly rows?: number | undefined;
}

/** EXL2 weights. */
export const exl2Codec: LinearCodec<Exl2Layout, Exl2Claims> = {
  name: "EXL2",
  suffixes: ["q_invperm", "q_perm", "q_scale", "q_scale_max", "q_groups", "q_weight"],
  requiredSuffixes: ["q_scale", "q_scale_max", "q_groups", "q_weight"],

  readLayout(parts, claims, place = {}) {
    const permutation = parts.some(({ suffix }) => suffix === "q_invperm") ? "q_invperm" : "q_perm";
    const [columns] = shapeOf(findPart(parts, permutation, place), ["I32"], 1, place);
    const [wordRows, storedRows] = shapeOf(findPart(parts, "q_weight", place), ["I32"], 2, place);
    const [groupCount] = shapeOf(findPart(parts, "q_scale_max", place), ["F16"], 1, place);
    const [groupEntries] = shapeOf(findPart(parts, "q_groups", place), ["I16", "U16"], 1, place);
    const [scaleGroups, scaleWords] = shapeOf(findPart(parts, "q_scale", place), ["I32"], 2, place);
    if (groupEntries !== 2 * groupCount || scaleGroups !== groupCount || 8 * scaleWords !== storedRows) {
      throw new FormatError(
        `The parts q_groups [${groupEntries}] and q_scale [${scaleGroups}, ${scaleWords}] do not belong to q_scale_max [${groupCount}] and q_weight [${wordRows}, ${storedRows}]; [${2 * groupCount}] and [${groupCount}, ${storedRows / 8}] were expected.`,
        place,
      );
    }
    const rows = claims.rows ?? storedRows;
    if (storedRows % 32 !== 0 || rows > storedRows || storedRows - rows >= 32) {
      throw new FormatError(
        `The part q_weight stores ${storedRows} rows for ${rows} out features; ${Math.ceil(rows / 32) * 32} were expected.`,
        place,
      );
    }
    return { rows, columns, storedRows, groupCount, wordRows, permutation };
  },

  parts({ columns, storedRows, groupCount, wordRows, permutation }) {
    return [
      { suffix: permutation, encoding: "I32", shape: [columns] },
      { suffix: "q_scale_max", encoding: "F16", shape: [groupCount] },
      { suffix: "q_groups", encoding: "I16", shape: [2 * groupCount] },
      { suffix: "q_scale", encoding: "I32", shape: [groupCount, storedRows / 8] },
      { suffix: "q_weight", encoding: "I32", shape: [wordRows, storedRows] },
    ];
  },

  parameterSuffixes: ({ permutation }) => [permutation, "q_scale", "q_scale_max", "q_groups"],

  measure(layout, bytes, place) {
    const { groups, parameters } = readParameters(layout, bytes, place);
    const widest = 2 ** groups.reduce((most, { bits }) => Math.max(most, bits), 0);
    const facts = viewFacts(parameters, widest - 1, place);
    // each group is symmetric within its own width
    return { ...facts, symmetric: true, minOffset: -widest / 2, maxOffset: widest / 2 - 1 };
  },

  open(layout, bytes, place) {
    const { groups, permutation, parameters } = readParameters(layout, bytes, place);
    viewFacts(parameters, 255, place);
    const { columns, storedRows } = layout;
    const words = readWords(partOf(layout, "q_weight", bytes, place), 32);
    const tables = groups.map(({ bits }) => fieldsOf(bits));
    let stored = new Uint8Array(0);
    return viewWeight(parameters, columns, (rowStart, rowEnd, codes) => {
      const length = (rowEnd - rowStart) * columns;
      if (stored.length < length) stored = new Uint8Array(length);
      groups.forEach(({ wordStart, start, end }, group) => {
        unpackFields(
          tables[group]!,
          words,
          {
            streams: rowEnd - rowStart,
            fields: end - start,
            wordStart: wordStart * storedRows + rowStart,
            wordStep: storedRows,
            streamStep: 1,
            fieldStart: start,
            fieldStep: columns,
          },
          stored,
        );
      });
      for (let row = 0, from = 0; row < rowEnd - rowStart; row++, from += columns) {
        for (let column = 0; column < columns; column++) {
          codes[from + column] = stored[from + permutation[column]!]!;
        }
      }
    });
  },
};

/** The groups of stored rows of a weight, as q_groups has them. */
export function exl2Groups(layout: Exl2Layout, bytes: PartBytes, place?: ErrorPlace): Exl2Group[] {
  const stored = readWords(partOf(layout, "q_groups", bytes, place), 16);
  return readGroups(stored, layout.columns, layout.wordRows, place);
}

interface Parameters {
  readonly groups: readonly Exl2Group[];
  readonly permutation: Int32Array;
  readonly parameters: ViewParameters;
}

function readParameters(layout: Exl2Layout, bytes: PartBytes, place?: ErrorPlace): Parameters {
  const { rows, columns, storedRows, groupCount } = layout;
  const groups = exl2Groups(layout, bytes, place);
  const storedPermutation = readPermutation(
    readWords(partOf(layout, layout.permutation, bytes, place), 32),
    place,
  );
  const permutation =
    layout.permutation === "q_invperm" ? storedPermutation : invertPermutation(storedPermutation);
  const groupOfRow = new Int32Array(columns);
  groups.forEach(({ start, end }, group) => {
    groupOfRow.fill(group, start, end);
  });
  const maxScales = readWords(partOf(layout, "q_scale_max", bytes, place), 16);
  const nibbles = readWords(partOf(layout, "q_scale", bytes, place), 32);
  const scales = new Float32Array(rows * groupCount);
  const zeros = new Int16Array(rows * groupCount);
  groups.forEach(({ bits }, group) => {
    const sixteen = groupScales(halfToFloat(maxScales[group]!));
    for (let row = 0; row < rows; row++) {
      const word = nibbles[(group * storedRows) / 8 + (row >> 3)]!;
      scales[row * groupCount + group] = sixteen[(word >>> (4 * (row & 7))) & 15]!;
      zeros[row * groupCount + group] = 2 ** (bits - 1);
    }
  });
  return {
    groups,
    permutation,
    parameters: {
      rows,
      columns,
      groupCount,
      groupOfColumn: permutation.map((row) => groupOfRow[row]!),
      scales,
      zeros,
      rounding: "f16",
    },
  };
}

const tableByBits = new Map<number, FieldTable>();

/** A table per width: fields.ts keeps its typed arrays by table. */
export function fieldsOf(bits: number): FieldTable {
  let table = tableByBits.get(bits);
  if (table === undefined) {
    table = streamFields(bits);
    tableByBits.set(bits, table);
  }
  return table;
}

function partOf(layout: Exl2Layout, suffix: string, bytes: PartBytes, place?: ErrorPlace): Uint8Array {
  return partBytes(bytes, findPart(exl2Codec.parts(layout), suffix, place), place);
}

function shapeOf(
  { suffix, encoding, shape }: LinearPart,
  encodings: readonly string[],
  dimensions: number,
  place: ErrorPlace,
): [number, number] {
  if (encodings.includes(encoding) && shape.length === dimensions && shape.every((size) => size > 0)) {
    return [shape[0] ?? 0, shape[1] ?? 1];
  }
  throw new FormatError(
    `The part ${suffix} is ${encoding} [${shape.join(", ")}]; ${encodings[0]} with ${dimensions === 1 ? "one dimension" : "two dimensions"} was expected.`,
    place,
  );
}
