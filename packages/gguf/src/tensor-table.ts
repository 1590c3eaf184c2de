import type { TensorShape } from "@requant/core";
import { type ByteWriter, type Finding, FormatError, type TensorInfo, UsageError } from "@requant/core";
import { quoted } from "@requant/core/text";
import {
  GGML_NAME_BYTE_LENGTH,
  TENSOR_DIMENSION_COUNT,
  TENSOR_NAME_BYTE_LENGTH,
  tensorTypeById,
  tensorTypeByName,
} from "./constants.ts";
import { type HeaderCursor, type Parser, whole } from "./cursor.ts";
import type { GgufFindingCode } from "./finding-codes.ts";
import { readName, writeText } from "./metadata.ts";
import { readPlainEntries } from "./plain-tensors.ts";
import { type Shapes, sameShape, type TensorEntry, tensorByteLength } from "./tensor-entry.ts";
import { encodeText } from "./text.ts";

/** A name of one byte with its length, no dimensions, a type and an offset. */
const LEAST_ENTRY_BYTE_LENGTH = 8 + 1 + 4 + 4 + 8;

const CONTROL = /\p{Cc}/u;

export function* parseTensorTable(
  cursor: HeaderCursor,
  count: number,
  findings: Finding<GgufFindingCode>[],
): Parser<TensorEntry[]> {
  cursor.checkCount(count, LEAST_ENTRY_BYTE_LENGTH, "The number of tensors");
  const entries: TensorEntry[] = [];
  const names = new Set<string>();
  const shapes: Shapes = new Map();
  const readNext = (): void => {
    const at = cursor.offset;
    const entry = readEntry(cursor, shapes, findings);
    if (names.has(entry.name)) {
      throw new FormatError(`The tensor name ${quoted(entry.name)} occurs twice.`, {
        path: cursor.path,
        offset: at,
        tensor: entry.name,
        reason: "duplicate-name",
      });
    }
    names.add(entry.name);
    entries.push(entry);
  };
  for (;;) {
    readPlainEntries(cursor, count, { entries, names, shapes });
    if (entries.length === count) return entries;
    yield* whole(cursor, readNext);
  }
}

/** Called inside `whole`, so nothing is reported before all bytes of the entry are there. */
function readEntry(cursor: HeaderCursor, shapes: Shapes, findings: Finding<GgufFindingCode>[]): TensorEntry {
  const start = cursor.offset;
  const name = readName(cursor, "a tensor name");
  const fault = (message: string, reason?: string, offset = start): FormatError =>
    new FormatError(message, { path: cursor.path, tensor: name, offset, reason });
  const nameByteLength = cursor.offset - start - 8;
  if (nameByteLength > TENSOR_NAME_BYTE_LENGTH) {
    throw fault(`A tensor name has ${nameByteLength} bytes; at most ${TENSOR_NAME_BYTE_LENGTH} are allowed.`);
  }
  cursor.want(4, "the number of dimensions");
  const dimensionCount = cursor.reader.u32("the number of dimensions");
  const most = Math.min(TENSOR_DIMENSION_COUNT, cursor.limits.dimensionCount);
  if (dimensionCount > most)
    throw fault(
      `A tensor has ${dimensionCount} dimensions; at most ${most} are allowed.`,
      "too-many-dimensions",
    );
  cursor.want(8 * dimensionCount + 4 + 8, "a tensor's dimensions, type and offset");
  // not grown one by one, which would take memory for seventeen
  const sizes = new Array<number>(dimensionCount);
  for (let i = dimensionCount - 1; i >= 0; i--) {
    const size = cursor.reader.i64("a dimension");
    if (size < 0) throw fault(`A dimension is ${size}.`, "impossible-size", cursor.offset - 8);
    sizes[i] = size;
  }
  const shape = sameShape(sizes, shapes);
  const type = tensorTypeById(cursor.reader.u32("a tensor type"), {
    path: cursor.path,
    tensor: name,
    offset: cursor.offset - 4,
  });
  const byteLength = tensorByteLength(shape, type, fault);
  const byteOffset = cursor.reader.u64("a tensor offset");
  const entry = { name, shape, type, byteOffset, byteLength };
  warnOfEntry(entry, nameByteLength, findings);
  return entry;
}

function warnOfEntry(entry: TensorEntry, nameByteLength: number, findings: Finding<GgufFindingCode>[]): void {
  const { name } = entry;
  const warn = (code: GgufFindingCode, message: string): void => {
    findings.push({ code, severity: "warning", message, tensor: name });
  };
  if (nameByteLength > GGML_NAME_BYTE_LENGTH)
    warn(
      "long-name",
      `The tensor name has more than the ${GGML_NAME_BYTE_LENGTH} bytes that llama.cpp reads.`,
    );
  if (CONTROL.test(name)) warn("control-character", "The tensor name holds control characters.");
  if (entry.shape.length === 0)
    warn("no-dimensions", "The tensor has no dimensions: it is read as one element.");
}

/**
 * Checks the places of the tensors and gives them absolute offsets. Overlaps and ends outside the file are refused; gaps,
 * another order than the table's and stray bytes at the end are allowed by the specification but not by llama.cpp: they
 * are reported.
 */
export function placeTensors(
  entries: readonly TensorEntry[],
  dataOffset: number,
  alignment: number,
  fileByteLength: number,
  path: string | undefined,
  findings: Finding<GgufFindingCode>[],
): TensorInfo[] {
  const dataByteLength = Math.max(fileByteLength - dataOffset, 0);
  for (const entry of entries) {
    if (entry.byteOffset % alignment !== 0) {
      throw new FormatError(
        `The tensor's offset ${entry.byteOffset} is not a multiple of the alignment ${alignment}.`,
        { path, tensor: entry.name },
      );
    }
    if (entry.byteOffset + entry.byteLength > dataByteLength) {
      throw new FormatError(
        `The tensor's ${entry.byteLength} bytes from ${entry.byteOffset} on end outside the data, which has ${dataByteLength} bytes.`,
        {
          path,
          tensor: entry.name,
          hint: "The file is cut off (download it again), or its table is wrong.",
          reason: "truncated",
        },
      );
    }
  }
  const byOffset = [...entries].sort((a, b) => a.byteOffset - b.byteOffset || a.byteLength - b.byteLength);
  let end = 0;
  let previous: TensorEntry | undefined;
  for (const entry of byOffset) {
    if (entry.byteOffset < end && entry.byteLength > 0) {
      throw new FormatError(
        `The tensor starts at ${entry.byteOffset}, inside ${quoted(previous?.name)}, which ends at ${end}.`,
        { path, tensor: entry.name, reason: "overlap" },
      );
    }
    const next = aligned(end, alignment);
    if (entry.byteOffset > next) {
      findings.push({
        code: "gap",
        severity: "warning",
        message: `${entry.byteOffset - next} bytes before the tensor belong to no tensor; llama.cpp refuses such a file.`,
        tensor: entry.name,
      });
    }
    if (entry.byteLength > 0) {
      end = entry.byteOffset + entry.byteLength;
      previous = entry;
    }
  }
  const misplaced = entries.find((entry, i) => i > 0 && entry.byteOffset < (entries[i - 1]?.byteOffset ?? 0));
  if (misplaced !== undefined) {
    findings.push({
      code: "order",
      severity: "warning",
      message: "The data is in another order than the table; llama.cpp refuses such a file.",
      tensor: misplaced.name,
    });
  }
  const stray = dataByteLength - aligned(end, alignment);
  if (stray > 0) {
    findings.push({
      code: "trailing-bytes",
      severity: "warning",
      message: `${stray} stray bytes follow the last tensor.`,
      offset: dataOffset + aligned(end, alignment),
    });
  }
  return entries.map(({ name, shape, type, byteOffset, byteLength }) => ({
    name,
    shape,
    encoding: type.name,
    byteOffset: dataOffset + byteOffset,
    byteLength,
  }));
}

/** Tensors one after the other, each at a multiple of `alignment` from the start of the data. */
export function layOutTensors(tensors: readonly TensorShape[], alignment: number): TensorEntry[] {
  const names = new Set<string>();
  let byteOffset = 0;
  return tensors.map(({ name, shape, encoding }) => {
    const fault = (message: string): UsageError => new UsageError(message, { tensor: name });
    const nameByteLength = encodeText(name).byteLength;
    if (nameByteLength === 0 || nameByteLength > TENSOR_NAME_BYTE_LENGTH || name.includes("\0")) {
      throw fault(
        `${quoted(name)} cannot be a tensor name: 1 to ${TENSOR_NAME_BYTE_LENGTH} bytes without NUL are allowed.`,
      );
    }
    if (names.has(name)) throw fault(`The tensor name ${quoted(name)} is given twice.`);
    names.add(name);
    if (
      shape.length > TENSOR_DIMENSION_COUNT ||
      !shape.every((size) => Number.isSafeInteger(size) && size >= 0)
    ) {
      throw fault(
        `The shape [${shape.join(", ")}] cannot be stored: up to ${TENSOR_DIMENSION_COUNT} sizes from 0 on are allowed.`,
      );
    }
    const type = tensorTypeByName(encoding, { tensor: name });
    const entry: TensorEntry = {
      name,
      shape,
      type,
      byteOffset,
      byteLength: tensorByteLength(shape, type, fault),
    };
    byteOffset = aligned(byteOffset + entry.byteLength, alignment);
    return entry;
  });
}

export function writeTensorTable(writer: ByteWriter, entries: readonly TensorEntry[]): void {
  for (const { name, shape, type, byteOffset } of entries) {
    writeText(writer, name);
    writer.u32(shape.length);
    for (const size of [...shape].reverse()) writer.i64(size);
    writer.u32(type.id);
    writer.u64(byteOffset);
  }
}

/** The next multiple of `alignment`. */
export function aligned(offset: number, alignment: number): number {
  const rest = offset % alignment;
  return rest === 0 ? offset : offset + alignment - rest;
}
