export { packWords, unpackWords, type WordLayout, wordCount } from "./bits/words.ts";
export { BF16 } from "./codec/bf16.ts";
export type { BlockCodec, BlockField } from "./codec/block.ts";
export { checkBlockLengths, checkRowLengths } from "./codec/check.ts";
export { F16 } from "./codec/f16.ts";
export { F32 } from "./codec/f32.ts";
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
export { blobSource } from "./io/blob.ts";
export { ByteReader, type ByteReaderOptions } from "./io/byte-reader.ts";
export { ByteWriter } from "./io/byte-writer.ts";
export { type CacheOptions, cachedSource } from "./io/cached.ts";
export { readChunks } from "./io/chunks.ts";
export { type CoalesceOptions, coalescedSource } from "./io/coalesced.ts";
export { type CountingSource, countingSource } from "./io/counting.ts";
export { memorySink, memorySource } from "./io/memory.ts";
export { type MemoryStore, memoryStore } from "./io/memory-store.ts";
export type { ByteSink } from "./io/sink.ts";
export { sliceSource } from "./io/slice.ts";
export type { ByteSource } from "./io/source.ts";
export type { ReadStore, WriteStore } from "./io/store.ts";
export { checkStorePath } from "./io/store-path.ts";
export { type UrlOptions, urlSource, urlStore } from "./io/url.ts";
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
export { floatBitsToHalf, floatToHalf, halfTable, halfToFloat, halfToFloatBits } from "./numeric/half.ts";
export { nearestInt, roundHalfAway, roundHalfEven } from "./numeric/round.ts";
export { elementCount, rowCount, rowLength, type TensorInfo } from "./tensor.ts";
