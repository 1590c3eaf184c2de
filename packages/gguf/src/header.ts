import type { TensorShape } from "@requant/core";
import {
  ByteWriter,
  type Finding,
  FormatError,
  type Limits,
  limitsWith,
  type Metadata,
  type TensorInfo,
  UnsupportedError,
  UsageError,
} from "@requant/core";
import {
  ALIGNMENT_KEY,
  DEFAULT_ALIGNMENT,
  GGUF_MAGIC,
  GGUF_VERSION,
  ggufVersions,
  valueByteLengths,
} from "./constants.ts";
import { HeaderCursor, type Parser, parseNow } from "./cursor.ts";
import type { GgufFindingCode } from "./finding-codes.ts";
import { explainMagic } from "./foreign.ts";
import { storedElements } from "./lazy-array.ts";
import { parseMetadata, writeMetadata } from "./metadata.ts";
import { aligned, layOutTensors, parseTensorTable, placeTensors, writeTensorTable } from "./tensor-table.ts";

/** Everything that a GGUF file says before its tensor data. */
export interface GgufFile {
  /** 2 or 3. */
  readonly version: number;
  readonly littleEndian: boolean;
  /** Tensor data starts at multiples of this. */
  readonly alignment: number;
  /** In file order. Arrays decode on first use of their `value`. */
  readonly metadata: Metadata;
  /** In table order, with offsets from the start of the file. */
  readonly tensors: readonly TensorInfo[];
  /** Where the tensor data starts. */
  readonly dataOffset: number;
  /** Of the whole file. */
  readonly byteLength: number;
  /** Properties that other readers may not accept. */
  readonly findings: readonly Finding<GgufFindingCode>[];
}

/**
 * The header of a file whose first bytes (all of the header, at least) are in memory. `fileByteLength`: the length of the
 * whole file, for checking counts and offsets; default: that of `bytes`.
 * @throws FormatError, LimitError, UnsupportedError
 */
export function parseGguf(
  bytes: Uint8Array,
  options: {
    readonly limits?: Partial<Limits> | undefined;
    readonly fileByteLength?: number | undefined;
    readonly path?: string | undefined;
  } = {},
): GgufFile {
  const { limits, fileByteLength = bytes.byteLength, path } = options;
  const cursor = new HeaderCursor(bytes, fileByteLength, limitsWith(limits), path);
  cursor.window.mayChange = true;
  return parseNow(parseHeader(cursor));
}

/** Source of the layout: ggml, docs/gguf.md; limits of the C reader: ggml, src/gguf.cpp. */
export function* parseHeader(cursor: HeaderCursor): Parser<GgufFile> {
  const findings: Finding<GgufFindingCode>[] = [];
  yield* checkMagic(cursor);
  const version = yield* parseVersion(cursor);
  yield* cursor.need(16, "the numbers of tensors and key-value pairs");
  const tensorCount = cursor.reader.u64("the number of tensors");
  const metadataCount = cursor.reader.u64("the number of key-value pairs");
  cursor.checkCount(tensorCount, 1, "The number of tensors");
  cursor.checkLimit(tensorCount, "tensorCount", "The number of tensors");
  const metadata = yield* parseMetadata(cursor, metadataCount, findings);
  cursor.metadataEnd = cursor.offset;
  const alignment = alignmentOf(metadata, (message) => new FormatError(message, { path: cursor.path }));
  const entries = yield* parseTensorTable(cursor, tensorCount, findings);
  const dataOffset = aligned(cursor.offset, alignment);
  if (entries.length > 0 && dataOffset > cursor.fileByteLength) {
    throw cursor.cutOff(dataOffset - cursor.offset, "the padding before the data");
  }
  const tensors = placeTensors(entries, dataOffset, alignment, cursor.fileByteLength, cursor.path, findings);
  return {
    version,
    littleEndian: cursor.reader.littleEndian,
    alignment,
    metadata,
    tensors,
    dataOffset,
    byteLength: cursor.fileByteLength,
    findings,
  };
}

function* checkMagic(cursor: HeaderCursor): Parser<void> {
  const available = cursor.reader.bytes;
  if (!GGUF_MAGIC.every((byte, i) => available[i] === byte)) throw explainMagic(available, cursor.path);
  cursor.reader.skip(GGUF_MAGIC.length);
}

/** Only the version shows the byte order of a file: in the right order it is a small number. */
function* parseVersion(cursor: HeaderCursor): Parser<number> {
  yield* cursor.need(4, "the version");
  const offset = cursor.offset;
  const little = cursor.reader.u32("the version");
  let version = little;
  if (little % 0x10000 === 0 && little !== 0) {
    cursor.useBigEndian();
    cursor.reader.seek(offset);
    version = cursor.reader.u32("the version");
  }
  if (ggufVersions.includes(version)) return version;
  throw new UnsupportedError(
    version === 1
      ? "GGUF version 1 (32-bit counts, August 2023) is not supported."
      : `GGUF version ${version} is not supported; known are ${ggufVersions.join(" and ")}.`,
    {
      path: cursor.path,
      offset,
      hint:
        version === 1
          ? "Convert the original model again, or rewrite the file with a llama.cpp of late 2023."
          : "The file may be newer than this program, or damaged.",
    },
  );
}

/** The alignment that the metadata asks for, or the default. */
function alignmentOf(metadata: Metadata, fault: (message: string) => Error): number {
  const entry = metadata.get(ALIGNMENT_KEY);
  if (entry === undefined) return DEFAULT_ALIGNMENT;
  if (entry.type !== "u32") throw fault(`${ALIGNMENT_KEY} is of type ${entry.type}, not u32.`);
  const log = Math.log2(entry.value);
  if (!Number.isInteger(log)) throw fault(`${ALIGNMENT_KEY} is ${entry.value}, not a power of two.`);
  return entry.value;
}

/** The contents of a GGUF file that is to be written, without the data. */
export interface GgufPlan {
  readonly metadata: Metadata;
  readonly tensors: readonly TensorShape[];
  /** Default 3. */
  readonly version?: number | undefined;
  /** Default true. */
  readonly littleEndian?: boolean | undefined;
  /** Default: the value of `general.alignment`, or 32. Another value is added to the metadata. */
  readonly alignment?: number | undefined;
}

/** A file that is laid out: its header and where each tensor goes. */
export interface GgufLayout extends Omit<GgufFile, "findings"> {
  /** The file up to `dataOffset`. */
  readonly header: Uint8Array;
}

/**
 * Where every byte of a file will be, before any data is there. Same metadata and tensors give the same bytes as
 * llama.cpp's own writers.
 * @throws UsageError for metadata, names or shapes that cannot be stored; UnsupportedError for an unknown type.
 */
export function layoutGguf(plan: GgufPlan): GgufLayout {
  const { version = GGUF_VERSION, littleEndian = true } = plan;
  if (!ggufVersions.includes(version)) {
    throw new UsageError(
      `GGUF version ${version} cannot be written; known are ${ggufVersions.join(" and ")}.`,
    );
  }
  const metadata = withAlignment(plan.metadata, plan.alignment);
  const alignment = alignmentOf(metadata, (message) => new UsageError(message));
  const entries = layOutTensors(plan.tensors, alignment);
  const writer = new ByteWriter({ littleEndian, capacity: likelyByteLength(plan) });
  writer.bytes(Uint8Array.from(GGUF_MAGIC));
  writer.u32(version);
  writer.u64(entries.length);
  writer.u64(metadata.size);
  writeMetadata(writer, metadata);
  writeTensorTable(writer, entries);
  writer.alignTo(alignment);
  const header = writer.toBytes();
  const dataOffset = header.byteLength;
  const last = entries.at(-1);
  return {
    version,
    littleEndian,
    alignment,
    metadata,
    header,
    dataOffset,
    // the last tensor is padded too
    byteLength: dataOffset + (last === undefined ? 0 : aligned(last.byteOffset + last.byteLength, alignment)),
    tensors: entries.map(({ name, shape, type, byteOffset, byteLength }) => ({
      name,
      shape,
      encoding: type.name,
      byteOffset: dataOffset + byteOffset,
      byteLength,
    })),
  };
}

/** Of a header, so that writing it need not move it to larger and larger memory. */
function likelyByteLength({ metadata, tensors }: GgufPlan): number {
  let byteLength = 4096 + 128 * tensors.length;
  for (const value of metadata.values()) {
    if (value.type !== "array") continue;
    const each = valueByteLengths[value.elementType] ?? 16;
    byteLength += storedElements(value)?.bytes.byteLength ?? each * value.value.length;
  }
  return byteLength;
}

function withAlignment(metadata: Metadata, alignment: number | undefined): Metadata {
  const stated = metadata.get(ALIGNMENT_KEY);
  if (alignment === undefined || (stated === undefined && alignment === DEFAULT_ALIGNMENT)) return metadata;
  if (stated === undefined) return new Map([...metadata, [ALIGNMENT_KEY, { type: "u32", value: alignment }]]);
  if (stated.value === alignment) return metadata;
  throw new UsageError(
    `An alignment of ${alignment} was asked for, but the metadata says ${String(stated.value)}.`,
  );
}
