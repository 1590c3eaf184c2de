/**
 * GGUF files and ggml types: headers, metadata, splits, codecs, and the choices of llama-quantize.
 * @module
 * @example
 * import { elementCount } from "@requant/core";
 * import { directoryStore } from "@requant/core/node";
 * import { ggmlTypeByName, openGgufFile } from "@requant/gguf";
 *
 * const model = await openGgufFile(directoryStore("."), "model.gguf"); // or any part of a split
 * for (const tensor of model.tensors) {
 *   const values = new Float32Array(elementCount(tensor.shape));
 *   const bytes = await model.read(tensor, 0, tensor.byteLength);
 *   ggmlTypeByName(tensor.encoding)?.codec?.dequantize(bytes, values);
 * }
 */

export { type CalibrationGuide, calibratedBlocks, calibratedTypes } from "./calibrated/index.ts";
export { type GgufChoice, ggufChoices, matchingGgufs, type NamedFile } from "./choices.ts";
export {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  forkTypes,
  GGUF_VERSION,
  ggufVersions,
  removedTypes,
  SPLIT_KEYS,
  type TensorType,
  type TypeClash,
  tensorTypeById,
  tensorTypeByName,
  tensorTypes,
  typeClash,
  type ValueType,
  valueTypes,
} from "./constants.ts";
export { swapBlocks } from "./endian.ts";
export type { GgufFindingCode } from "./finding-codes.ts";
export { type GgufFile, type GgufLayout, type GgufPlan, layoutGguf, parseGguf } from "./header.ts";
export { type ImportanceEntries, importanceOf } from "./imatrix/fit.ts";
export { mergeImatrices } from "./imatrix/merge.ts";
export {
  type Imatrix,
  type ImatrixEntry,
  type ImatrixFilter,
  type ImatrixForm,
  imatrixWeights,
  type ReadImatrixOptions,
  readImatrix,
  type WriteImatrixOptions,
  writeImatrix,
} from "./imatrix.ts";
export { viewToBlocks, weightToBlocks } from "./kernels/blocks-twin.ts";
export { blocksToView } from "./kernels/views-twin.ts";
export { type StoredElements, storedElements } from "./lazy-array.ts";
export { type ReadGgufOptions, readGguf } from "./reader.ts";
export * from "./recipes/index.ts";
export {
  type Gguf,
  type GgufPart,
  type GgufReads,
  type GgufTensorInfo,
  openGguf,
  openGgufFile,
} from "./shards.ts";
export {
  parseSplitName,
  planSplit,
  type SplitName,
  type SplitOptions,
  splitMetadata,
  splitName,
} from "./split-plan.ts";
export { decodeText, encodeText, hasEscapedBytes } from "./text.ts";
export * from "./types/index.ts";
export {
  blockRowsByteLength,
  exactTypes,
  type GgufViewSource,
  type GgufViewType,
  typeMisfit,
  viewSourceByName,
  viewSources,
  viewTypeByName,
  viewTypes,
} from "./view/index.ts";
export type { BiasedCodes, BlockView, GroupedCodes, TableCodes, Unpacked } from "./view/view-type.ts";
export { type GgufTensorData, type WriteGgufOptions, writeGguf } from "./writer.ts";
