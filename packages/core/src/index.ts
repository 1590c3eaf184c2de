/**
 * The shared ground: byte sources and sinks, limits, errors, numeric formats.
 * @module
 * @example
 * import { F16, urlSource } from "@requant/core";
 *
 * const source = await urlSource("https://example.org/model.bin"); // one range request, not a download
 * const values = new Float32Array(1024);
 * F16.dequantize(await source.read(0, 2048), values);
 */

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
export { largest, smallest } from "./extremes.ts";
export type { Finding, FindingPlace, Severity } from "./finding.ts";
export type { BlockCodec, BlockField } from "./format/block-codec.ts";
export { blobSource, blobStore } from "./io/blob.ts";
export type { ByteHash } from "./io/byte-hash.ts";
export { ByteReader, type ByteReaderOptions } from "./io/byte-reader.ts";
export { byteText } from "./io/byte-text.ts";
export { ByteWriter } from "./io/byte-writer.ts";
export { type CacheOptions, cachedSource } from "./io/cached.ts";
export { type Chunks, readChunks } from "./io/chunks.ts";
export { type CoalesceOptions, coalescedSource } from "./io/coalesced.ts";
export { layeredStore } from "./io/layered.ts";
export { memorySink, memorySource } from "./io/memory.ts";
export { type MemoryStore, memoryStore } from "./io/memory-store.ts";
export { type ReadAheadOptions, readAheadSource } from "./io/read-ahead.ts";
export type {
  BegunUpload,
  SharedFile,
  SharedFileName,
  SharedLog,
  SharedLogs,
  SharedUpload,
  SharedUploads,
  SharedWork,
} from "./io/sharing.ts";
export type { ByteSink } from "./io/sink.ts";
export { sliceSource } from "./io/slice.ts";
export type { ByteSource } from "./io/source.ts";
export type { StagedAddress, StagedBytes, StagedFile, StageOptions } from "./io/staging.ts";
export type { FileIdentity, PlainUrlOptions, ReadStore, StoreAddress, WriteStore } from "./io/store.ts";
export { checkStorePath } from "./io/store-path.ts";
export type { UploadedFile } from "./io/upload.ts";
export { shownUrl, type UrlOptions, type UrlStoreOptions, urlSource, urlStore } from "./io/url.ts";
export { jsonFaultPlace } from "./json-fault.ts";
export { BF16, F16 } from "./kernels/float-twin.ts";
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
export { F32 } from "./numeric/f32.ts";
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
export { elementCount, rowCount, rowLength, type TensorInfo, type TensorShape } from "./tensor.ts";
