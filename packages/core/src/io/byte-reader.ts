import { FormatError } from "../errors.ts";

/** How bytes are read, and how error messages name them. */
export interface ByteReaderOptions {
  /** Default true. */
  readonly littleEndian?: boolean;
  /** File offset of `bytes[0]`, so that errors give offsets in the file. Default 0. */
  readonly base?: number;
  /** File name for errors. */
  readonly path?: string;
}

/** Upper halves below it make numbers that are safe integers. */
const SAFE_UPPER = 2 ** 21;

/**
 * A bounds-checked cursor over bytes of a file. Each read takes an optional `what`, the name of the field as the
 * format's own description spells it, and every fault is a `FormatError` with the file offset.
 */
export class ByteReader {
  readonly bytes: Uint8Array;
  readonly base: number;
  readonly path: string | undefined;
  littleEndian: boolean;
  #view: DataView;
  #offset = 0;

  constructor(bytes: Uint8Array, options: ByteReaderOptions = {}) {
    this.bytes = bytes;
    this.base = options.base ?? 0;
    this.path = options.path;
    this.littleEndian = options.littleEndian ?? true;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Index into `bytes` of the next read. */
  get offset(): number {
    return this.#offset;
  }

  /** File offset of the next read. */
  get fileOffset(): number {
    return this.base + this.#offset;
  }

  /** Bytes from here to the end. */
  get remaining(): number {
    return this.bytes.byteLength - this.#offset;
  }

  /** True when `byteLength` more bytes can be read. */
  has(byteLength: number): boolean {
    return byteLength <= this.remaining;
  }

  /** Moves to an index into `bytes`. */
  seek(offset: number): void {
    if (!Number.isSafeInteger(offset) || offset < 0 || offset > this.bytes.byteLength) {
      throw this.fault(`Offset ${this.base + offset} is outside the ${this.bytes.byteLength} bytes read.`);
    }
    this.#offset = offset;
  }

  /** Moves forward without reading. @throws FormatError where fewer bytes are left */
  skip(byteLength: number, what?: string): void {
    this.#take(byteLength, what);
  }

  /** Skips to the next multiple of `alignment`, counted in file offsets. */
  alignTo(alignment: number, what: string = "padding"): void {
    const rest = this.fileOffset % alignment;
    if (rest !== 0) this.#take(alignment - rest, what);
  }

  /** An unsigned byte, 0 to 255. */
  u8(what?: string): number {
    return this.#view.getUint8(this.#take(1, what));
  }

  /** A signed byte, −128 to 127. */
  i8(what?: string): number {
    return this.#view.getInt8(this.#take(1, what));
  }

  /** An unsigned 16-bit integer. */
  u16(what?: string): number {
    return this.#view.getUint16(this.#take(2, what), this.littleEndian);
  }

  /** A signed 16-bit integer. */
  i16(what?: string): number {
    return this.#view.getInt16(this.#take(2, what), this.littleEndian);
  }

  /** An unsigned 32-bit integer. */
  u32(what?: string): number {
    return this.#view.getUint32(this.#take(4, what), this.littleEndian);
  }

  /** A signed 32-bit integer. */
  i32(what?: string): number {
    return this.#view.getInt32(this.#take(4, what), this.littleEndian);
  }

  /** An unsigned 64-bit value as a number; refused above 2^53 − 1, which no count or offset of a real file reaches. */
  u64(what?: string): number {
    const at = this.#take(8, what);
    const upper = this.#view.getUint32(this.littleEndian ? at + 4 : at, this.littleEndian);
    // a product is a double, which takes memory of its own wherever it is kept
    if (upper === 0) return this.#lower(at);
    // a bigint costs an allocation, and real files need none
    if (upper < SAFE_UPPER) return upper * 2 ** 32 + this.#lower(at);
    return this.#safe(this.#view.getBigUint64(at, this.littleEndian), what);
  }

  /** A signed 64-bit value as a number; refused outside ±(2^53 − 1). */
  i64(what?: string): number {
    const at = this.#take(8, what);
    const upper = this.#view.getInt32(this.littleEndian ? at + 4 : at, this.littleEndian);
    if (upper === 0) return this.#lower(at);
    if (upper < SAFE_UPPER && upper >= -SAFE_UPPER + 1) return upper * 2 ** 32 + this.#lower(at);
    return this.#safe(this.#view.getBigInt64(at, this.littleEndian), what);
  }

  /** An unsigned 64-bit integer, with all its bits. */
  u64Bigint(what?: string): bigint {
    return this.#view.getBigUint64(this.#take(8, what), this.littleEndian);
  }

  /** A signed 64-bit integer, with all its bits. */
  i64Bigint(what?: string): bigint {
    return this.#view.getBigInt64(this.#take(8, what), this.littleEndian);
  }

  /** A NaN stays a NaN, but JavaScript may change its payload: copy the bytes where the payload matters. */
  f32(what?: string): number {
    return this.#view.getFloat32(this.#take(4, what), this.littleEndian);
  }

  /** A 64-bit float. A NaN stays a NaN; its payload may change. */
  f64(what?: string): number {
    return this.#view.getFloat64(this.#take(8, what), this.littleEndian);
  }

  /** One byte, 0 or 1. */
  bool(what?: string): boolean {
    const value = this.u8(what);
    if (value > 1) {
      this.#offset -= 1;
      throw this.fault(`The value of ${label(what, "a boolean")} is ${value}, not 0 or 1.`);
    }
    return value === 1;
  }

  /** A view, not a copy. */
  take(byteLength: number, what?: string): Uint8Array {
    const start = this.#take(byteLength, what);
    return this.bytes.subarray(start, start + byteLength);
  }

  /** Strict UTF-8; a byte-order mark is kept as a character, so that writing gives the same bytes. */
  utf8(byteLength: number, what?: string): string {
    const start = this.#take(byteLength, what);
    try {
      return decoder().decode(this.bytes.subarray(start, start + byteLength));
    } catch (cause) {
      this.#offset = start;
      throw this.fault(`The ${byteLength} bytes of ${label(what, "a string")} are not valid UTF-8.`, cause);
    }
  }

  /** A `FormatError` at the present offset: for faults that only the caller can see. */
  fault(message: string, cause?: unknown, hint?: string): FormatError {
    return new FormatError(message, { path: this.path, offset: this.fileOffset, cause, hint });
  }

  #take(byteLength: number, what: string | undefined): number {
    const start = this.#offset;
    const available = this.bytes.byteLength - start;
    if (!(byteLength >= 0 && byteLength <= available && Number.isSafeInteger(byteLength))) {
      throw this.fault(
        `The data ends too early: ${label(what, "the next field")} needs ${byteLength} bytes, ${available} are left.`,
        undefined,
        "The file is cut off, or a length before this place is wrong.",
      );
    }
    this.#offset = start + byteLength;
    return start;
  }

  /** The lower half of eight bytes. */
  #lower(at: number): number {
    return this.#view.getUint32(this.littleEndian ? at : at + 4, this.littleEndian);
  }

  #safe(value: bigint, what: string | undefined): number {
    const number = Number(value);
    if (Number.isSafeInteger(number)) return number;
    this.#offset -= 8;
    throw new FormatError(
      `The value of ${label(what, "a 64-bit field")} is ${value}, more than any file can hold.`,
      {
        path: this.path,
        offset: this.fileOffset,
        reason: "impossible-count",
      },
    );
  }
}

function label(what: string | undefined, unnamed: string): string {
  return what ?? unnamed;
}

let sharedDecoder: TextDecoder | undefined;
function decoder(): TextDecoder {
  sharedDecoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return sharedDecoder;
}
