import { ByteReader, FormatError, LimitError, type Limits } from "@requant/core";
import { skipStrings } from "./kernels/string-walk-twin.ts";

/** What a paused parser asks for: the file up to `end` at least, up to `wish` if that saves a later read. */
export interface BytesWanted {
  readonly end: number;
  readonly wish: number;
}

/**
 * A parser that does no I/O: it pauses at the end of the bytes read so far, and goes on when there are more. The same
 * code therefore parses a buffer, a file or a URL.
 */
export type Parser<T> = Generator<BytesWanted, T, void>;

/** Where lazy values find their bytes: the window is replaced by a larger one as the header is read. */
export interface HeaderBytes {
  bytes: Uint8Array;
  /** True for the memory of a caller, who may use it again. */
  mayChange: boolean;
}

/** The header of a file as far as it was read, with a cursor. Every length is checked against the length of the file. */
export class HeaderCursor {
  readonly path: string | undefined;
  readonly fileByteLength: number;
  readonly limits: Limits;
  readonly window: HeaderBytes;
  /** The number of nested arrays so far: each costs memory whatever its length. */
  nestedArrayCount = 0;
  /** The probable number of merges for each token of the vocabulary: an estimate that saves reads. */
  mergesPerToken = 0;
  /** Where the metadata end, once they are parsed: lazy values need nothing behind it. */
  metadataEnd = 0;
  reader: ByteReader;

  constructor(bytes: Uint8Array, fileByteLength: number, limits: Limits, path?: string) {
    this.path = path;
    this.fileByteLength = fileByteLength;
    this.limits = limits;
    this.window = { bytes, mayChange: false };
    this.reader = this.#readerOf(bytes, true);
  }

  get offset(): number {
    return this.reader.offset;
  }

  /** Bytes between the cursor and the end of the file. */
  get fileRemaining(): number {
    return this.fileByteLength - this.reader.offset;
  }

  useBigEndian(): void {
    this.reader.littleEndian = false;
  }

  /** Gives the parser more bytes: the start of the file, longer than before. */
  replace(bytes: Uint8Array): void {
    const { offset, littleEndian } = this.reader;
    this.window.bytes = bytes;
    this.reader = this.#readerOf(bytes, littleEndian);
    this.reader.seek(offset);
  }

  /** Pauses until `byteLength` bytes can be read. `wish`: how many the parser may want after that. */
  *need(byteLength: number, what: string, wish: number = byteLength): Parser<void> {
    if (!this.reader.has(byteLength)) yield this.#wanted(byteLength, what, wish);
  }

  /** The same inside `whole`: throws what `whole` pauses for. */
  want(byteLength: number, what: string): void {
    if (!this.reader.has(byteLength)) throw new MoreBytes(this.#wanted(byteLength, what, byteLength));
  }

  #wanted(byteLength: number, what: string, wish: number): BytesWanted {
    if (byteLength > this.fileRemaining) throw this.cutOff(byteLength, what);
    const end = this.reader.offset + byteLength;
    if (end > this.limits.headerByteLength) {
      throw new LimitError(
        `The header is longer than ${this.limits.headerByteLength} bytes, the limit set for headers.`,
        {
          path: this.path,
          offset: this.reader.offset,
          hint: "Raise limits.headerByteLength if the file is trusted.",
        },
      );
    }
    return { end, wish: this.reader.offset + Math.max(wish, byteLength) };
  }

  /**
   * Moves past up to `count` strings that are complete and within the limits, and returns their number: it stops before a
   * string that is incomplete or too long.
   */
  skipStrings(count: number): number {
    const { reader, limits } = this;
    const { bytes, littleEndian, offset: start } = reader;
    const { end, skipped } = skipStrings({
      bytes,
      start,
      count,
      limit: limits.stringByteLength,
      littleEndian,
    });
    reader.seek(end);
    return skipped;
  }

  /** Refuses a count of items, at least `least` bytes each, that the rest of the file cannot hold. */
  checkCount(count: number, least: number, what: string): void {
    if (count * least <= this.fileRemaining) return;
    throw new FormatError(
      `${what} is ${count}, which needs at least ${count * least} bytes; the file has ${this.fileRemaining} more.`,
      { path: this.path, offset: this.reader.offset, reason: reasonOf(count * least) },
    );
  }

  checkLimit(count: number, limit: keyof Limits, what: string): void {
    if (count <= this.limits[limit]) return;
    throw new LimitError(`${what} is ${count}; the limit is ${this.limits[limit]}.`, {
      path: this.path,
      offset: this.reader.offset,
      hint: `Raise limits.${limit} if the file is trusted.`,
    });
  }

  fault(message: string, hint?: string, offset: number = this.reader.offset): FormatError {
    return new FormatError(message, { path: this.path, offset, hint });
  }

  cutOff(byteLength: number, what: string): FormatError {
    return new FormatError(
      `The file ends too early: ${what} needs ${byteLength} bytes, ${this.fileRemaining} are left.`,
      {
        path: this.path,
        offset: this.reader.offset,
        hint: "The file is cut off (download it again), or a length before this place is wrong.",
        reason: reasonOf(byteLength),
      },
    );
  }

  #readerOf(bytes: Uint8Array, littleEndian: boolean): ByteReader {
    return new ByteReader(bytes, {
      littleEndian,
      ...(this.path === undefined ? {} : { path: this.path }),
    });
  }
}

/** An interrupted download lacks megabytes; a header that claims gigabytes is an attack. */
function reasonOf(byteLength: number): string {
  return byteLength >= 2 ** 30 ? "impossible-count" : "truncated";
}

class MoreBytes {
  readonly wanted: BytesWanted;

  constructor(wanted: BytesWanted) {
    this.wanted = wanted;
  }
}

/**
 * Calls `read` until the bytes for all of it are there, each time from the same place on. A plain function takes a
 * fraction of the time and the memory that a parser of parsers takes, so short things that a header has many of are read so.
 */
export function* whole<T>(cursor: HeaderCursor, read: () => T): Parser<T> {
  const start = cursor.offset;
  for (;;) {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof MoreBytes)) throw error;
      cursor.reader.seek(start);
      yield error.wanted;
    }
  }
}

/** Runs a parser over complete bytes. */
export function parseNow<T>(parser: Parser<T>): T {
  const step = parser.next();
  if (step.done !== true) throw new FormatError("The bytes end inside the header.");
  return step.value;
}
