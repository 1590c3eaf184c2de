/** Every refusal of Requant is a `CodecError`: it says what is wrong and where, what was found and what is allowed, and what to do.
 * The class tells what is at fault; the command line and the page make their texts from these fields.
 */
import { boundedMessage } from "./text.ts";

/**
 * What is at fault: the file, a limit, an unsupported variant, the environment, an impossible conversion, or the caller.
 */
export type ErrorCode = "FORMAT" | "LIMIT" | "UNSUPPORTED" | "IO" | "CONVERSION" | "USAGE";

/** Where a fault is and what to do about it. Every field is optional; give all that are known. */
export interface ErrorPlace {
  /** What to do about it, one imperative sentence. */
  readonly hint?: string | undefined;
  /** File or URL. */
  readonly path?: string | undefined;
  /** Tensor name, as stored. */
  readonly tensor?: string | undefined;
  /** Byte offset in the file. */
  readonly offset?: number | undefined;
  /** Flat index of the weight in its tensor, row by row. */
  readonly index?: number | undefined;
  /** The kind of fault in one stable word, finer than the code: "truncated", "lfs-pointer". Most faults have none. */
  readonly reason?: string | undefined;
  readonly cause?: unknown;
}

/**
 * The base of all refusals: catch it, and read `code`, `hint` and the place. Message and hint are safe to print whatever
 * names and values of files are in them: control, bidirectional and invisible characters are escaped, a word has at most 200
 * characters and the whole at most 2000. The other fields are data, as found.
 */
export class CodecError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;
  readonly path: string | undefined;
  readonly tensor: string | undefined;
  readonly offset: number | undefined;
  readonly index: number | undefined;
  readonly reason: string | undefined;

  constructor(code: ErrorCode, message: string, place: ErrorPlace = {}) {
    super(boundedMessage(message), place.cause === undefined ? undefined : { cause: place.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = place.hint === undefined ? undefined : boundedMessage(place.hint);
    this.path = place.path;
    this.tensor = place.tensor;
    this.offset = place.offset;
    this.index = place.index;
    this.reason = place.reason;
  }
}

/** The bytes are not what the format says they must be. */
export class FormatError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("FORMAT", message, place);
  }
}

/** The file asks for more than `Limits` allow. */
export class LimitError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("LIMIT", message, place);
  }
}

/** The file is well-formed, but has a version, type or variant that Requant does not read or write. */
export class UnsupportedError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("UNSUPPORTED", message, place);
  }
}

/** The environment failed: not found, network, disk full, changed while being read. */
export class IoError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("IO", message, place);
  }
}

/** The conversion is not possible: facts are missing, or the option `exact` cannot be met. */
export class ConversionError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("CONVERSION", message, place);
  }
}

/** The caller asked for something that makes no sense. */
export class UsageError extends CodecError {
  constructor(message: string, place?: ErrorPlace) {
    super("USAGE", message, place);
  }
}

const CODES: ReadonlySet<string> = new Set(["FORMAT", "LIMIT", "UNSUPPORTED", "IO", "CONVERSION", "USAGE"]);

/** True for a `CodecError` of any copy of this package (ESM and CJS builds have different classes). */
export function isCodecError(value: unknown): value is CodecError {
  return (
    value instanceof CodecError ||
    (value instanceof Error &&
      "code" in value &&
      typeof value.code === "string" &&
      CODES.has(value.code) &&
      "hint" in value)
  );
}
