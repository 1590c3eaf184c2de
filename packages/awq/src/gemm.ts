import { FormatError } from "@requant/core";
import { findPart, readFloats, readWords, writeFloat, writeWords } from "@requant/core/format";
import { transposed } from "@requant/core/view";
import { settleGroupSize } from "./groups.ts";
import { packGemm, unpackGemm } from "./kernels/order-twin.ts";
import { SHIFTS } from "./order.ts";
import { type AwqLayout, type AwqPacking, checkMultiples, matrixShape, scaleShape } from "./packing.ts";

/** A word of `qzeros` of a symmetric weight. */
const ALL_EIGHT = 0x88888888;

/** AWQ GEMM, the common one: K columns of W, N rows, G groups
 *   qweight  I32  [K, N / 8]  eight rows of one column per word, in the order of order.ts
 *   qzeros   I32  [G, N / 8]  in the same order
 *   scales   F16  [G, N]      in natural order
 * Source: AutoAWQ, modules/linear/gemm.py.
 */
export const gemmPacking: AwqPacking = {
  suffixes: ["qweight", "qzeros", "scales"],
  rowMultiple: 8,
  columnMultiple: 16,
  symmetric: false,
  readLayout(parts, _, place) {
    const [columns, width] = matrixShape(findPart(parts, "qweight", place), "I32", place);
    const [groupCount, zeroWidth] = matrixShape(findPart(parts, "qzeros", place), "I32", place);
    if (zeroWidth !== width) {
      throw new FormatError(
        `The part qzeros has ${zeroWidth} words per group, but qweight has ${width} per column.`,
        place,
      );
    }
    const rows = 8 * width;
    const [, , scale] = scaleShape(findPart(parts, "scales", place), [groupCount, rows], place);
    const groupSize = settleGroupSize(columns, groupCount, place);
    return { version: "gemm", rows, columns, groupCount, groupSize, scale };
  },
  parts(layout) {
    const { rows, columns, groupCount, scale } = layout;
    checkMultiples(layout, 8, 1);
    return [
      { suffix: "qweight", encoding: "I32", shape: [columns, rows / 8] },
      { suffix: "qzeros", encoding: "I32", shape: [groupCount, rows / 8] },
      { suffix: "scales", encoding: scale, shape: [groupCount, rows] },
    ];
  },
  readParameters({ rows, groupCount, scale }, part) {
    const zeros = new Uint8Array(rows * groupCount);
    const words = readWords(part("qzeros"), 32);
    const gemm = { words, lines: groupCount, width: rows / 8, start: 0, end: rows };
    unpackGemm(gemm, zeros, groupCount);
    return {
      scales: transposed(readFloats(part("scales"), scale), groupCount, rows),
      zeros: Int16Array.from(zeros),
    };
  },
  readNibbles({ rows, groupCount, scale }, part) {
    if (scale !== "F16") return undefined;
    const words = readWords(part("qzeros"), 32);
    const shared = {
      along: "rows",
      words: readWords(part("qweight"), 32),
      scales: readWords(part("scales"), 16),
    } as const;
    if (words.every((bits) => bits === ALL_EIGHT)) return { ...shared, zeros: 8 };
    const zeros = new Uint8Array(groupCount * rows);
    for (let word = 0, to = 0; word < words.length; word++, to += 8) {
      const bits = words[word]!;
      for (let i = 0; i < 8; i++) zeros[to + i] = (bits >>> SHIFTS[i]!) & 15;
    }
    return { ...shared, zeros };
  },
  writeParameters(layout, { scales, zeros }, rowStart, rowEnd, part) {
    const { rows, groupCount } = layout;
    writeScalesByGroup(layout, scales, rowStart, rowEnd, part("scales"));
    const words = writeWords(part("qzeros"), 32);
    const gemm = { words, lines: groupCount, width: rows / 8, start: rowStart, end: rowEnd };
    packGemm(gemm, Uint8Array.from(zeros), groupCount);
  },
  unpackCodes({ rows }, qweight, { rowStart, rowEnd, columnStart, columnEnd }, codes) {
    const width = rows / 8;
    const words = readWords(qweight, 32).subarray(columnStart * width, columnEnd * width);
    const columns = columnEnd - columnStart;
    unpackGemm({ words, lines: columns, width, start: rowStart, end: rowEnd }, codes, columns);
  },
  packCodes({ rows, columns }, codes, rowStart, rowEnd, qweight) {
    const words = writeWords(qweight, 32);
    packGemm({ words, lines: columns, width: rows / 8, start: rowStart, end: rowEnd }, codes, columns);
  },
};

/** Scales of a band of rows into `[groups, rows]`. */
export function writeScalesByGroup(
  { rows, groupCount, scale }: AwqLayout,
  scales: Float32Array,
  rowStart: number,
  rowEnd: number,
  bytes: Uint8Array,
): void {
  const words = scale === "F32" ? writeWords(bytes, 32) : writeWords(bytes, 16);
  for (let row = rowStart; row < rowEnd; row++) {
    for (let group = 0; group < groupCount; group++) {
      writeFloat(words, group * rows + row, scale, scales[(row - rowStart) * groupCount + group]!);
    }
  }
}
