/** The small parts of a weight: scales, zero points, groups of columns. */
import { type ErrorPlace, FormatError } from "@requant/core";
import { streamFields, unpackFields } from "@requant/core/bits";
import { readFloats, readWords } from "@requant/core/format";
import { sequentialGroups, type ViewParameters } from "@requant/core/view";
import type { CompressedTensorsLayout } from "./layout.ts";
import { zeroStreams } from "./pack.ts";
import { lowWords, unpackLoose } from "./words.ts";

/** Scales, zero points and groups. `partOf` gives the bytes of a part. @throws FormatError for one that makes no sense */
export function readParameters(
  layout: CompressedTensorsLayout,
  partOf: (suffix: string) => Uint8Array,
  hasShape: boolean,
  place: ErrorPlace,
): ViewParameters {
  const { rows, columns, groupCount, groupSize, scale, grouping } = layout;
  if (hasShape) {
    const words = readWords(partOf("weight_shape"), 32);
    const [storedRows, storedColumns] = layout.shape === "I32" ? words : lowWords(words);
    if (storedRows !== rows || storedColumns !== columns) {
      throw new FormatError(
        `The part weight_shape says [${storedRows}, ${storedColumns}]; the other parts hold [${rows}, ${columns}].`,
        place,
      );
    }
  }
  const zeros = readZeros(layout, partOf, place);
  return {
    rows,
    columns,
    groupCount,
    groupOfColumn:
      grouping === "any"
        ? readGroupIndex(layout, partOf("weight_g_idx"), place)
        : sequentialGroups(columns, groupSize),
    scales: readFloats(partOf("weight_scale"), scale),
    zeros,
    rounding: "none",
  };
}

/** Zero points as fields of codes: the middle one where none are stored. */
function readZeros(
  layout: CompressedTensorsLayout,
  partOf: (suffix: string) => Uint8Array,
  place: ErrorPlace,
): Int16Array {
  const { rows, bits, groupCount, symmetric } = layout;
  const middle = 2 ** (bits - 1);
  const zeros = new Int16Array(rows * groupCount).fill(middle);
  if (symmetric) return zeros;
  const stored = partOf("weight_zero_point");
  if (layout.zeros === "I8") {
    for (let i = 0; i < zeros.length; i++) zeros[i] = middle + ((stored[i]! << 24) >> 24);
    const bad = zeros.findIndex((zero) => zero < 0 || zero >= 2 * middle);
    if (bad === -1) return zeros;
    throw new FormatError(
      `The part weight_zero_point has ${zeros[bad]! - middle} in row ${Math.floor(bad / groupCount)}; ${-middle} to ${middle - 1} exist with ${bits} bits.`,
      place,
    );
  }
  const words = readWords(stored, 32);
  const fields = new Uint8Array(rows * groupCount);
  if (layout.packing === "loose") {
    for (let group = 0; group < groupCount; group++) {
      const stream = { bits, wordStart: group, wordStep: groupCount };
      unpackLoose(words, stream, [0, rows], fields, group * rows);
    }
  } else unpackFields(streamFields(bits), words, zeroStreams(layout, 0, rows), fields);
  for (let group = 0, from = 0; group < groupCount; group++) {
    for (let row = 0; row < rows; row++, from++) zeros[row * groupCount + group] = fields[from]!;
  }
  return zeros;
}

/**
 * The group of each column. Files of layers that were not sorted have −1: one such entry is enough for the library to
 * group the columns as they come (compressed-tensors, quantization/lifecycle/forward_helpers.py).
 */
export function readGroupIndex(
  {
    columns,
    groupCount,
    groupIndex,
  }: {
    readonly columns: number;
    readonly groupCount: number;
    readonly groupIndex?: "I64" | undefined;
  },
  bytes: Uint8Array,
  place: ErrorPlace,
): Int32Array {
  const words = readWords(bytes, 32);
  const groups = Int32Array.from(groupIndex === "I64" ? lowWords(words) : words, (word) => word | 0);
  if (groups.includes(-1)) return sequentialGroups(columns, Math.ceil(columns / groupCount));
  const bad = groups.findIndex((group) => group < 0 || group >= groupCount);
  if (bad === -1) return groups;
  throw new FormatError(
    `The part weight_g_idx puts column ${bad} into group ${groups[bad]}; there are ${groupCount} groups, 0 to ${groupCount - 1}.`,
    place,
  );
}
