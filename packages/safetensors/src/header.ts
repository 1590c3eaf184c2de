import {
  type ByteSource,
  byteText,
  type Finding,
  FormatError,
  LimitError,
  type Limits,
  limitsWith,
  type TensorInfo,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import * as z from "zod/mini";
import { tensorByteLength } from "./dtypes.ts";
import type { SafetensorsFindingCode } from "./finding-codes.ts";
import { parseStrictJson } from "./json.ts";

/** Most headers fit in the first read; one more gets the rest. */
const FIRST_READ_BYTE_LENGTH = 64 * 1024;

/** The header is an object of objects that hold arrays. */
const HEADER_DEPTH = 3;

/** Strings about the file, in the place of a tensor. */
export const METADATA_KEY = "__metadata__";

/** The header of a safetensors file. */
export interface SafetensorsHeader {
  /** In the order of their data, with offsets from the start of the file. */
  readonly tensors: readonly TensorInfo[];
  /** `__metadata__`; an object without a prototype. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Where the data starts. */
  readonly dataOffset: number;
  /** Properties that other readers may not accept. */
  readonly findings: readonly Finding<SafetensorsFindingCode>[];
}

/**
 * Reads the header of one safetensors file in one or two reads.
 * @throws FormatError, LimitError, UnsupportedError (an unknown dtype), IoError
 */
export async function readHeader(
  source: ByteSource,
  limits: Partial<Limits> = {},
): Promise<SafetensorsHeader> {
  const start = await source.read(0, Math.min(FIRST_READ_BYTE_LENGTH, source.byteLength));
  const { name, byteLength } = source;
  const dataOffset = headerEnd(start, byteLength, limitsWith(limits), name);
  if (dataOffset <= start.byteLength) {
    return parseJson(start.subarray(8, dataOffset), byteLength, limitsWith(limits), name);
  }
  const bytes = new Uint8Array(dataOffset - 8);
  bytes.set(start.subarray(8));
  await source.readInto(bytes.subarray(start.byteLength - 8), start.byteLength);
  return parseJson(bytes, byteLength, limitsWith(limits), name);
}

/**
 * The header of a file whose first bytes (all of the header, at least) are in memory. `fileByteLength`: the length of the
 * whole file; default: that of `bytes`.
 * @throws FormatError, LimitError, UnsupportedError
 */
export function parseHeader(
  bytes: Uint8Array,
  options: {
    readonly limits?: Partial<Limits> | undefined;
    readonly fileByteLength?: number | undefined;
    readonly path?: string | undefined;
  } = {},
): SafetensorsHeader {
  const { fileByteLength = bytes.byteLength, path = "memory" } = options;
  const limits = limitsWith(options.limits);
  const end = headerEnd(bytes, fileByteLength, limits, path);
  if (end > bytes.byteLength) throw new FormatError("The bytes end inside the header.", { path });
  return parseJson(bytes.subarray(8, end), fileByteLength, limits, path);
}

/** Where the header ends and the data starts: from the length in the first 8 bytes. */
function headerEnd(start: Uint8Array, fileByteLength: number, limits: Limits, path: string): number {
  const fault = (message: string, hint?: string, reason?: string): FormatError =>
    new FormatError(message, { path, offset: 0, hint, reason });
  if (start.byteLength < 8) {
    throw fault(
      `The file has only ${start.byteLength} bytes: too few for a safetensors file.`,
      "Download it again.",
      "truncated",
    );
  }
  const length = new DataView(start.buffer, start.byteOffset, 8).getBigUint64(0, true);
  if (length > BigInt(fileByteLength - 8)) throw explainStart(start, length, fileByteLength, path);
  if (length > BigInt(limits.headerByteLength)) {
    throw new LimitError(`The header has ${length} bytes; the limit is ${limits.headerByteLength}.`, {
      path,
      hint: "Raise limits.headerByteLength if the file is trusted.",
    });
  }
  if (length < 2n) throw fault(`The header has ${length} bytes: too few for JSON.`);
  if (start.byteLength > 8 && start[8] !== 0x7b) {
    throw fault('The header does not begin with "{".', "The file is damaged, or is not safetensors.");
  }
  return 8 + Number(length);
}

/** The error for a header length that the file cannot hold: names the format of the file, where its first bytes show it. */
function explainStart(start: Uint8Array, length: bigint, fileByteLength: number, path: string): FormatError {
  const text = byteText(start.subarray(0, 64));
  const fault = (message: string, hint: string, reason?: string): FormatError =>
    new FormatError(message, { path, offset: 0, hint, reason });
  if (text.startsWith("GGUF")) return fault("The file is GGUF, not safetensors.", "Open it as GGUF.");
  if (text.startsWith("version https://git-lfs")) {
    return fault(
      "The file is a Git-LFS pointer: the weights were never downloaded.",
      "Run `git lfs pull`.",
      "lfs-pointer",
    );
  }
  if (/^\s*<(!doctype|html|\?xml)/i.test(text)) {
    return fault(
      "The file is a web page, not a model.",
      "The download link needs a login, or is wrong.",
      "web-page",
    );
  }
  // a pickle's mark and its protocol; a header's length may begin with the same bytes, but then its JSON follows
  const [mark, protocol = 0] = start;
  const isPickle = mark === 0x80 && protocol >= 2 && protocol <= 5 && start[8] !== 0x7b;
  if (text.startsWith("PK\u0003\u0004") || isPickle) {
    return fault(
      "The file is a PyTorch pickle, not safetensors.",
      "Convert it to safetensors where you trust it.",
      "pickle",
    );
  }
  return fault(
    `The header length is ${length}, but the file has only ${fileByteLength} bytes.`,
    "The file is cut off (download it again), or is not safetensors.",
    length >= 2n ** 30n ? "impossible-count" : "truncated",
  );
}

const size = z.int().check(z.nonnegative());
const tensorSchema = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const objectSchema = z.looseObject({});

/** A tensor as the header states it: `start` and `end` count from the start of the data. */
interface Entry {
  readonly name: string;
  readonly shape: readonly number[];
  readonly encoding: string;
  readonly start: number;
  readonly end: number;
}

function parseJson(
  bytes: Uint8Array,
  fileByteLength: number,
  limits: Limits,
  path: string,
): SafetensorsHeader {
  const dataOffset = 8 + bytes.byteLength;
  const json = parseStrictJson(bytes, "The header", path, HEADER_DEPTH);
  if (!objectSchema.safeParse(json).success || typeof json !== "object" || json === null) {
    throw new FormatError("The header is not a JSON object.", { path });
  }
  const entries: Entry[] = [];
  let metadata: Readonly<Record<string, string>> = Object.create(null);
  // Object.entries sees "__proto__" as the plain key that JSON.parse makes of it
  for (const [name, value] of Object.entries(json)) {
    if (name === METADATA_KEY) metadata = parseFileMetadata(value, path);
    else entries.push(parseEntry(name, value, limits, path));
  }
  if (entries.length > limits.tensorCount) {
    throw new LimitError(`The file has ${entries.length} tensors; the limit is ${limits.tensorCount}.`, {
      path,
    });
  }
  checkPlaces(entries, dataOffset, fileByteLength, path);
  return {
    tensors: entries.map(({ name, shape, encoding, start, end }) => ({
      name,
      shape,
      encoding,
      byteOffset: dataOffset + start,
      byteLength: end - start,
    })),
    metadata,
    dataOffset,
    findings: entries
      .filter(({ name }) => /\p{Cc}/u.test(name))
      .map(({ name }) => ({
        code: "control-character",
        severity: "warning",
        message: "The tensor name holds control characters.",
        tensor: name,
      })),
  };
}

function parseFileMetadata(value: unknown, path: string): Readonly<Record<string, string>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new FormatError(`${METADATA_KEY} is not an object.`, { path });
  }
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries<unknown>({ ...value })) {
    if (typeof text !== "string") {
      throw new FormatError(`${METADATA_KEY} may only hold strings; ${quoted(key)} is not a string.`, {
        path,
      });
    }
    metadata[key] = text;
  }
  return metadata;
}

function parseEntry(name: string, value: unknown, limits: Limits, path: string): Entry {
  const fault = (message: string): FormatError => new FormatError(message, { path, tensor: name });
  const parsed = tensorSchema.safeParse(value);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    const where = issue === undefined || issue.path.length === 0 ? "its entry" : issue.path.join(".");
    throw fault(
      `The tensor's header is wrong at ${where}: ${issue?.message ?? "not what the format asks for"}.`,
    );
  }
  const {
    dtype,
    shape,
    data_offsets: [start, end],
  } = parsed.data;
  if (shape.length > limits.dimensionCount) {
    throw new LimitError(
      `The tensor has ${shape.length} dimensions; the limit is ${limits.dimensionCount}.`,
      { path, tensor: name, hint: "Raise limits.dimensionCount if the file is trusted." },
    );
  }
  const byteLength = tensorByteLength(shape, dtype, fault, { path, tensor: name });
  if (end < start) throw fault(`The tensor ends at ${end}, before it starts at ${start}.`);
  if (end - start !== byteLength) {
    throw fault(
      `The tensor takes ${end - start} bytes, but ${dtype} of shape [${shape.join(", ")}] takes ${byteLength}.`,
    );
  }
  return { name, shape, encoding: dtype, start, end };
}

/** Sorts by offset. The tensors must cover the data from its start to its end, without gaps or overlaps. */
function checkPlaces(entries: Entry[], dataOffset: number, fileByteLength: number, path: string): void {
  const dataByteLength = fileByteLength - dataOffset;
  entries.sort((a, b) => a.start - b.start || a.end - b.end);
  let end = 0;
  for (const entry of entries) {
    if (entry.start !== end) {
      throw new FormatError(
        `The tensor starts at ${entry.start} of the data; the one before it ends at ${end}.`,
        { path, tensor: entry.name, reason: entry.start < end ? "overlap" : "gap" },
      );
    }
    end = entry.end;
    if (end > dataByteLength) {
      throw new FormatError(`The tensor ends at ${end} of the data, which has ${dataByteLength} bytes.`, {
        path,
        tensor: entry.name,
        hint: "The file is cut off: download it again.",
        reason: "truncated",
      });
    }
  }
  if (end !== dataByteLength) {
    throw new FormatError(`${dataByteLength - end} bytes at the end of the file belong to no tensor.`, {
      path,
      offset: dataOffset + end,
      reason: "trailing-bytes",
    });
  }
}
