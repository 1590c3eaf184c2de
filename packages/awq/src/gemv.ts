import { FormatError } from "@requant/core";
import { packFields, streamFields, unpackFields } from "@requant/core/bits";
import { findPart, readFloats, readWords, writeFloat, writeWords } from "@requant/core/format";
import { gemvZeroWords, settleGemvGroupSize } from "./groups.ts";
import { type AwqPacking, checkMultiples, matrixShape, scaleShape } from "./packing.ts";

const nibbles = /* @__PURE__ */ streamFields(4);

/** AWQ GEMV: K columns of W, N rows, Z words of zero points per row (groups.ts: padded)
 *   qweight  I32  [N, K / 8]  eight columns of one row per word, in natural order
 *   qzeros   I32  [N, Z]      a row's zero points, in natural order, padded with 0
 *   scales   F16  [N, 8 Z]    a row's scales, padded with 0
 * Source: AutoAWQ, modules/linear/gemv.py.
 */
export const gemvPacking: AwqPacking = {
  suffixes: ["qweight", "qzeros", "scales"],
  rowMultiple: 1,
  columnMultiple: 32,
  symmetric: false,
  readLayout(parts, claims, place) {
    const [rows, width] = matrixShape(findPart(parts, "qweight", place), "I32", place);
    const [zeroRows, zeroWords] = matrixShape(findPart(parts, "qzeros", place), "I32", place);
    if (zeroRows !== rows)
      throw new FormatError(`The part qzeros has ${zeroRows} rows, but qweight has ${rows}.`, place);
    const [, , scale] = scaleShape(findPart(parts, "scales", place), [rows, 8 * zeroWords], place);
    const columns = 8 * width;
    const groupSize = settleGemvGroupSize(columns, zeroWords, claims.groupSize, place);
    const groupCount = groupSize === -1 ? 1 : columns / groupSize;
    return { version: "gemv", rows, columns, groupCount, groupSize, scale };
  },
  parts(layout) {
    const { rows, columns, groupSize, scale } = layout;
    checkMultiples(layout, 1, 8);
    const zeroWords = gemvZeroWords(columns, groupSize);
    return [
      { suffix: "qweight", encoding: "I32", shape: [rows, columns / 8] },
      { suffix: "qzeros", encoding: "I32", shape: [rows, zeroWords] },
      { suffix: "scales", encoding: scale, shape: [rows, 8 * zeroWords] },
    ];
  },
  readParameters({ rows, columns, groupCount, groupSize, scale }, part) {
    const zeroWords = gemvZeroWords(columns, groupSize);
    const zeros = new Uint8Array(rows * groupCount);
    const scales = new Float32Array(rows * groupCount);
    unpackFields(nibbles, readWords(part("qzeros"), 32), rowStreams(0, rows, groupCount, zeroWords), zeros);
    const padded = readFloats(part("scales"), scale);
    for (let row = 0; row < rows; row++) {
      const from = row * 8 * zeroWords;
      scales.set(padded.subarray(from, from + groupCount), row * groupCount);
    }
    return { scales, zeros: Int16Array.from(zeros) };
  },
  writeParameters(layout, { scales, zeros }, rowStart, rowEnd, part) {
    const { columns, groupCount, groupSize, scale } = layout;
    const zeroWords = gemvZeroWords(columns, groupSize);
    const scaleBytes = part("scales");
    const scaleWords = scale === "F32" ? writeWords(scaleBytes, 32) : writeWords(scaleBytes, 16);
    for (let row = rowStart; row < rowEnd; row++) {
      for (let group = 0; group < groupCount; group++) {
        writeFloat(
          scaleWords,
          row * 8 * zeroWords + group,
          scale,
          scales[(row - rowStart) * groupCount + group]!,
        );
      }
    }
    packFields(
      nibbles,
      Uint8Array.from(zeros),
      rowStreams(rowStart, rowEnd, groupCount, zeroWords),
      writeWords(part("qzeros"), 32),
    );
  },
  unpackCodes({ columns }, qweight, { rowStart, rowEnd, columnStart, columnEnd }, codes) {
    const streams = rowStreams(rowStart, rowEnd, columnEnd - columnStart, columns / 8);
    const wordStart = streams.wordStart + columnStart / 8;
    unpackFields(nibbles, readWords(qweight, 32), { ...streams, wordStart }, codes);
  },
  packCodes({ columns }, codes, rowStart, rowEnd, qweight) {
    packFields(nibbles, codes, rowStreams(rowStart, rowEnd, columns, columns / 8), writeWords(qweight, 32));
  },
};

/** One stream per row, `width` words each. */
function rowStreams(
  rowStart: number,
  rowEnd: number,
  fields: number,
  width: number,
): Parameters<typeof unpackFields>[2] {
  return {
    streams: rowEnd - rowStart,
    fields,
    wordStart: rowStart * width,
    wordStep: 1,
    streamStep: width,
    fieldStart: 0,
    fieldStep: fields,
  };
}
