/**
 * Texts for people, and the sizes that people write: `@requant/core/text`.
 * @module
 */
export { parseBitsPerWeight, parseByteSize, parseCount, sizeUnits } from "./byte-size.ts";
export * from "./text.ts";
