export type { FieldPiece, FieldStreams, FieldTable, Words } from "./bits/field-table.ts";
export { fieldWordCount, packFields, streamFields, unpackFields } from "./bits/fields.ts";
export {
  MARLIN_COLUMNS,
  MARLIN_ROWS,
  marlinScaleRow,
  marlinShapeMisfit,
  packMarlin,
  unpackMarlin,
} from "./bits/marlin.ts";
export { packWords, unpackWords, type WordLayout, wordCount } from "./bits/words.ts";
export { BF16 } from "./codec/bf16.ts";
export type { BlockCodec, BlockField } from "./codec/block.ts";
export { checkBlockLengths, checkRowLengths } from "./codec/check.ts";
export { F16 } from "./codec/f16.ts";
export { F32 } from "./codec/f32.ts";
export { gridWeight, type UnpackCodes } from "./codec/grid-weight.ts";
export {
  allocateParts,
  findPart,
  type GridPart,
  type LinearCodec,
  type LinearEncoder,
  type LinearLayout,
  type LinearPart,
  type LinearWeight,
  type PartBytes,
  partByteLength,
  partBytes,
  readFloats,
  readWords,
  type ScaleEncoding,
  scaleEncoding,
  writeFloat,
  writeWords,
} from "./codec/linear.ts";
export type { PackedNibbles } from "./codec/packed-nibbles.ts";
export { transposed } from "./codec/transposed.ts";
export {
  CodecError,
  ConversionError,
  type ErrorCode,
  type ErrorPlace,
  FormatError,
  IoError,
  isCodecError,
  LimitError,
  UnsupportedError,
  UsageError,
} from "./errors.ts";
export {
  checkRows,
  dequantizeGrid,
  type Grid,
  type GroupRun,
  groupRuns,
  groupSizeOf,
  roundToHalf,
  selectRows,
  sequentialGroups,
  stackGrids,
} from "./grid.ts";
export {
  type GridFacts,
  type GridParameters,
  type GroupedParameters,
  gridFacts,
  groupedFacts,
  groupedRanges,
  isBfloat,
  isHalf,
  parametersByRow,
  withMeasuredOffsets,
} from "./grid-facts.ts";
export {
  type CodeRange,
  fitGrid,
  fittedGrid,
  type GridFit,
  type GridRequirement,
  gridMisfit,
  type Misfit,
  roundingAllowed,
} from "./grid-fit.ts";
export { type QuantizeGridOptions, quantizeGrid } from "./grid-quantize.ts";
export { blobSource, blobStore } from "./io/blob.ts";
export { ByteReader, type ByteReaderOptions } from "./io/byte-reader.ts";
export { ByteWriter } from "./io/byte-writer.ts";
export { type CacheOptions, cachedSource } from "./io/cached.ts";
export { readChunks } from "./io/chunks.ts";
export { type CoalesceOptions, coalescedSource } from "./io/coalesced.ts";
export { type CountingSource, countingSource } from "./io/counting.ts";
export { memorySink, memorySource } from "./io/memory.ts";
export { type MemoryStore, memoryStore } from "./io/memory-store.ts";
export { type ReadAheadOptions, readAheadSource } from "./io/read-ahead.ts";
export type { ByteSink } from "./io/sink.ts";
export { sliceSource } from "./io/slice.ts";
export type { ByteSource } from "./io/source.ts";
export type { StagedAddress, StagedBytes, StagedFile, StageOptions } from "./io/staging.ts";
export type { PlainUrlOptions, ReadStore, StoreAddress, WriteStore } from "./io/store.ts";
export { checkStorePath } from "./io/store-path.ts";
export { shownUrl, type UrlOptions, urlSource, urlStore } from "./io/url.ts";
export { jsonFaultPlace } from "./json-fault.ts";
export { type BlockTwinOptions, blockTwin } from "./kernels/block-twin.ts";
export { allocateKernelBuffer, type KernelBuffer } from "./kernels/buffer.ts";
export {
  kernelAddress,
  kernelMemory,
  SCRATCH_BYTE_LENGTH,
  TILE_BYTE_LENGTH,
  tileOffset,
} from "./kernels/memory.ts";
export { type Kernel, type KernelModule, type KernelTable, kernelModule } from "./kernels/module.ts";
export { type Lines, type Rectangle, rectangle } from "./kernels/rectangle.ts";
export { installKernels, kernelsAreInstalled, uninstallKernels } from "./kernels/switch.ts";
export {
  LIST_LENGTH,
  type PlacedParameters,
  placeList,
  placeParameters,
  type TileShape,
  tileCodes,
  tileShape,
} from "./kernels/tiles.ts";
export { defaultLimits, type Limits, limitsWith } from "./limits.ts";
export type {
  BigintType,
  Metadata,
  MetadataArray,
  MetadataScalar,
  MetadataValue,
  NumberType,
  ScalarType,
} from "./metadata.ts";
export { misfitOf, type SchemaIssue } from "./misfit.ts";
export { namePattern, type PatternBudget, patternBudget } from "./name-pattern.ts";
export {
  type AffineOptions,
  type AffineParameters,
  affineParameters,
  type CodeArray,
  dequantizeAbsmax,
  dequantizeAffine,
  quantizationError,
  quantizeAbsmax,
  quantizeAffine,
  rangeOf,
} from "./numeric/affine.ts";
export { bfloatToFloat, floatBitsToBfloat, floatToBfloat } from "./numeric/bfloat.ts";
export { type FakeQuantizeOptions, fakeQuantize } from "./numeric/fake-quantize.ts";
export {
  floatBitsToHalf,
  floatToHalf,
  halfTable,
  halfToFloat,
  halfToFloatBits,
  halvesAreFinite,
} from "./numeric/half.ts";
export { nearestInt, roundHalfAway, roundHalfEven } from "./numeric/round.ts";
export { elementCount, rowCount, rowLength, type TensorInfo } from "./tensor.ts";
export { bounded, boundedMessage, printable, quoted, withoutTrailing } from "./text.ts";
