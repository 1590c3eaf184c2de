import { UsageError } from "../errors.ts";

/** Builds headers in memory: a growing buffer with both byte orders and range-checked integers. */
export class ByteWriter {
  readonly littleEndian: boolean;
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(options: { readonly littleEndian?: boolean; readonly capacity?: number } = {}) {
    this.littleEndian = options.littleEndian ?? true;
    this.#bytes = new Uint8Array(options.capacity ?? 1024);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get byteLength(): number {
    return this.#length;
  }

  /** An integer from 0 to 255. @throws UsageError for any other number */
  u8(value: number): void {
    checkInteger("u8", value, 0, 0xff);
    const at = this.#grow(1);
    this.#view.setUint8(at, value);
  }

  /** An integer from −128 to 127. @throws UsageError for any other number */
  i8(value: number): void {
    checkInteger("i8", value, -0x80, 0x7f);
    const at = this.#grow(1);
    this.#view.setInt8(at, value);
  }

  /** An integer from 0 to 65,535. @throws UsageError for any other number */
  u16(value: number): void {
    checkInteger("u16", value, 0, 0xffff);
    const at = this.#grow(2);
    this.#view.setUint16(at, value, this.littleEndian);
  }

  /** An integer from −32,768 to 32,767. @throws UsageError for any other number */
  i16(value: number): void {
    checkInteger("i16", value, -0x8000, 0x7fff);
    const at = this.#grow(2);
    this.#view.setInt16(at, value, this.littleEndian);
  }

  /** An integer from 0 to 2^32 − 1. @throws UsageError for any other number */
  u32(value: number): void {
    checkInteger("u32", value, 0, 0xffffffff);
    const at = this.#grow(4);
    this.#view.setUint32(at, value, this.littleEndian);
  }

  /** An integer from −2^31 to 2^31 − 1. @throws UsageError for any other number */
  i32(value: number): void {
    checkInteger("i32", value, -0x80000000, 0x7fffffff);
    const at = this.#grow(4);
    this.#view.setInt32(at, value, this.littleEndian);
  }

  /**
   * An integer from 0 to 2^64 − 1.
   * @throws UsageError for any other, and for a number beyond ±(2^53 − 1), which may be rounded already
   */
  u64(value: number | bigint): void {
    const exact = exactBigint("u64", value);
    if (BigInt.asUintN(64, exact) !== exact) throw outside("u64", value);
    const at = this.#grow(8);
    this.#view.setBigUint64(at, exact, this.littleEndian);
  }

  /**
   * An integer from −2^63 to 2^63 − 1.
   * @throws UsageError for any other, and for a number beyond ±(2^53 − 1), which may be rounded already
   */
  i64(value: number | bigint): void {
    const exact = exactBigint("i64", value);
    if (BigInt.asIntN(64, exact) !== exact) throw outside("i64", value);
    const at = this.#grow(8);
    this.#view.setBigInt64(at, exact, this.littleEndian);
  }

  /** Rounded to the nearest f32. */
  f32(value: number): void {
    const at = this.#grow(4);
    this.#view.setFloat32(at, value, this.littleEndian);
  }

  /** A 64-bit float. */
  f64(value: number): void {
    const at = this.#grow(8);
    this.#view.setFloat64(at, value, this.littleEndian);
  }

  /** One byte: 1 for true, 0 for false. */
  bool(value: boolean): void {
    this.u8(value ? 1 : 0);
  }

  /** The bytes as they are, without a length. */
  bytes(values: Uint8Array): void {
    const at = this.#grow(values.byteLength);
    this.#bytes.set(values, at);
  }

  /** UTF-8 without a length or terminator; returns the bytes written. */
  utf8(text: string): number {
    const encoded = encoder().encode(text);
    this.bytes(encoded);
    return encoded.byteLength;
  }

  /** As many bytes of value 0. */
  zeros(byteLength: number): void {
    this.#grow(byteLength);
  }

  /** Zeros up to the next multiple of `alignment`. */
  alignTo(alignment: number): void {
    const rest = this.#length % alignment;
    if (rest !== 0) this.zeros(alignment - rest);
  }

  /** The bytes written so far, as a view: later writes may go to a new buffer that this view does not show. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Makes room, and returns where it is. Call it before touching `#view`, which it may replace. */
  #grow(byteLength: number): number {
    const start = this.#length;
    const needed = start + byteLength;
    if (needed > this.#bytes.byteLength) {
      const larger = new Uint8Array(Math.max(needed, 2 * this.#bytes.byteLength));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = needed;
    return start;
  }
}

function checkInteger(type: string, value: number, least: number, greatest: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= greatest)) throw outside(type, value);
}

function exactBigint(type: string, value: number | bigint): bigint {
  if (typeof value === "bigint") return value;
  if (!Number.isSafeInteger(value)) throw outside(type, value);
  return BigInt(value);
}

function outside(type: string, value: number | bigint): UsageError {
  return new UsageError(`${value} is not a value of type ${type}.`);
}

let sharedEncoder: TextEncoder | undefined;
function encoder(): TextEncoder {
  sharedEncoder ??= new TextEncoder();
  return sharedEncoder;
}
