/**
 * Codes in words: k-bit fields, and the tiles of Marlin.
 * @module
 */

export { packFields, unpackFields } from "../kernels/fields-twin.ts";
export { packMarlin, unpackMarlin } from "../kernels/marlin-twin.ts";
export type { FieldPiece, FieldStreams, FieldTable, Words } from "./field-table.ts";
export { fieldWordCount, streamFields } from "./fields.ts";
export { MARLIN_COLUMNS, MARLIN_ROWS, marlinScaleRow, marlinShapeMisfit } from "./marlin.ts";
export { packWords, unpackWords, type WordLayout, wordCount } from "./words.ts";
