import { MARLIN_COLUMNS, MARLIN_ROWS, marlinScaleRow, packMarlin, unpackMarlin } from "@requant/core/bits";
import { findPart, readFloats, readWords, writeFloat, writeWords } from "@requant/core/format";
import { settleGroupSize } from "./groups.ts";
import { type AwqPacking, checkMultiples, matrixShape, scaleShape } from "./packing.ts";

/** AWQ Marlin: K columns of W, N rows, G groups; always symmetric (zero point 8)
 *   qweight  I32  [K / 16, 2 N]  see core, bits/marlin.ts
 *   scales   F16  [G, N]         rows gathered in 64s, or in 32s where G is 1
 * Source: AutoAWQ, modules/linear/marlin.py.
 */
export const marlinPacking: AwqPacking = {
  suffixes: ["qweight", "scales"],
  rowMultiple: MARLIN_ROWS,
  columnMultiple: "all",
  symmetric: true,
  readLayout(parts, _, place) {
    const [tileRows, width] = matrixShape(findPart(parts, "qweight", place), "I32", place);
    const rows = width / 2;
    const columns = MARLIN_COLUMNS * tileRows;
    const [groupCount, , scale] = scaleShape(findPart(parts, "scales", place), [undefined, rows], place);
    const groupSize = settleGroupSize(columns, groupCount, place);
    return { version: "marlin", rows, columns, groupCount, groupSize, scale };
  },
  parts(layout) {
    const { rows, columns, groupCount, scale } = layout;
    checkMultiples(layout, MARLIN_ROWS, MARLIN_COLUMNS);
    return [
      { suffix: "qweight", encoding: "I32", shape: [columns / MARLIN_COLUMNS, 2 * rows] },
      { suffix: "scales", encoding: scale, shape: [groupCount, rows] },
    ];
  },
  readParameters({ rows, groupCount, scale }, part) {
    const stored = readFloats(part("scales"), scale);
    const scales = new Float32Array(rows * groupCount);
    for (let group = 0, from = 0; group < groupCount; group++) {
      for (let i = 0; i < rows; i++, from++) {
        scales[marlinScaleRow(i, groupCount === 1) * groupCount + group] = stored[from]!;
      }
    }
    return { scales, zeros: new Int16Array(rows * groupCount).fill(8) };
  },
  writeParameters({ rows, groupCount, scale }, { scales }, rowStart, rowEnd, part) {
    const bytes = part("scales");
    const words = scale === "F32" ? writeWords(bytes, 32) : writeWords(bytes, 16);
    // a band is whole runs of 64 rows, and gathering stays inside them
    for (let group = 0; group < groupCount; group++) {
      for (let i = rowStart; i < rowEnd; i++) {
        const row = marlinScaleRow(i, groupCount === 1) - rowStart;
        writeFloat(words, group * rows + i, scale, scales[row * groupCount + group]!);
      }
    }
  },
  unpackCodes({ rows, columns }, qweight, { rowStart, rowEnd }, codes) {
    unpackMarlin(readWords(qweight, 32), rows, columns, rowStart, rowEnd, codes);
  },
  packCodes({ rows, columns }, codes, rowStart, rowEnd, qweight) {
    packMarlin(codes, rows, columns, rowStart, rowEnd, writeWords(qweight, 32));
  },
};
