import { FormatError } from "@requant/core";
import { findPart, readFloats, readWords, writeWords } from "@requant/core/format";
import type { AwqVersion } from "./config.ts";
import { writeScalesByGroup } from "./gemm.ts";
import { gemvZeroWords, settleGemvGroupSize } from "./groups.ts";
import { INTERLEAVED_COLUMNS, INTERLEAVED_ROWS } from "./interleave.ts";
import { packInterleaved, unpackInterleaved } from "./kernels/interleave-twin.ts";
import { type AwqPacking, checkMultiples, matrixShape, scaleShape } from "./packing.ts";

/** AWQ GEMV_FAST and llm-awq: K columns of W, N rows, Z words as in GEMV (groups.ts)
 *   qweight  I16  [N / 4, K]  see interleave.ts
 *   scales   F16  [8 Z, N]    groups beyond K / group size are 0
 *   qzeros   F16  [8 Z, N]    −(scale × zero point), rounded to f16; llm-awq calls it scaled_zeros
 * value = code × scale + offset: exact in f32; the kernels round this sum once to f16. Where the offset was rounded, the
 * value differs a little from scale × (code − zero); the zero point itself is the nearest integer to −offset / scale.
 * Sources: AutoAWQ, modules/linear/gemv_fast.py; llm-awq, quantize/qmodule.py.
 */
function interleavedPacking(version: AwqVersion, zeroSuffix: string): AwqPacking {
  return {
    suffixes: ["qweight", "scales", zeroSuffix],
    rowMultiple: INTERLEAVED_ROWS,
    columnMultiple: "all",
    symmetric: false,
    readLayout(parts, claims, place) {
      const [quarter, columns] = matrixShape(findPart(parts, "qweight", place), "I16", place);
      const rows = INTERLEAVED_ROWS * quarter;
      const [padded, , scale] = scaleShape(findPart(parts, "scales", place), [undefined, rows], place);
      const [, , zeroScale] = scaleShape(findPart(parts, zeroSuffix, place), [padded, rows], place);
      if (padded % 8 !== 0 || zeroScale !== scale) {
        throw new FormatError(
          `The part scales is ${scale} with ${padded} rows, and ${zeroSuffix} is ${zeroScale}; the same encoding and a multiple of 8 rows were expected.`,
          place,
        );
      }
      const groupSize = settleGemvGroupSize(columns, padded / 8, claims.groupSize, place);
      const groupCount = groupSize === -1 ? 1 : columns / groupSize;
      return { version, rows, columns, groupCount, groupSize, scale };
    },
    parts(layout) {
      const { rows, columns, groupSize, scale } = layout;
      checkMultiples(layout, INTERLEAVED_ROWS, INTERLEAVED_COLUMNS);
      const padded = 8 * gemvZeroWords(columns, groupSize);
      return [
        { suffix: "qweight", encoding: "I16", shape: [rows / INTERLEAVED_ROWS, columns] },
        { suffix: "scales", encoding: scale, shape: [padded, rows] },
        { suffix: zeroSuffix, encoding: scale, shape: [padded, rows] },
      ];
    },
    readParameters({ rows, groupCount, scale }, part) {
      const stored = readFloats(part("scales"), scale);
      const storedOffsets = readFloats(part(zeroSuffix), scale);
      const scales = new Float32Array(rows * groupCount);
      const offsets = new Float32Array(rows * groupCount);
      const zeros = new Int16Array(rows * groupCount);
      for (let row = 0, to = 0; row < rows; row++) {
        for (let group = 0; group < groupCount; group++, to++) {
          const from = group * rows + row;
          scales[to] = stored[from]!;
          offsets[to] = storedOffsets[from]!;
          zeros[to] = stored[from] === 0 ? 0 : Math.round(-storedOffsets[from]! / stored[from]!);
        }
      }
      return { scales, zeros, offsets };
    },
    writeParameters(layout, { scales, zeros }, rowStart, rowEnd, part) {
      const offsets = Float32Array.from(scales, (value, i) => -(value * zeros[i]!));
      writeScalesByGroup(layout, scales, rowStart, rowEnd, part("scales"));
      writeScalesByGroup(layout, offsets, rowStart, rowEnd, part(zeroSuffix));
    },
    unpackCodes({ columns }, qweight, { rowStart, rowEnd }, codes) {
      unpackInterleaved(readWords(qweight, 16), columns, rowStart, rowEnd, codes);
    },
    packCodes({ columns }, codes, rowStart, rowEnd, qweight) {
      packInterleaved(codes, columns, rowStart, rowEnd, writeWords(qweight, 16));
    },
  };
}

export const gemvFastPacking: AwqPacking = /* @__PURE__ */ interleavedPacking("gemv_fast", "qzeros");
export const llmAwqPacking: AwqPacking = /* @__PURE__ */ interleavedPacking("llm-awq", "scaled_zeros");
