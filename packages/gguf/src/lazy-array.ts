import type { BigintType, MetadataArray, NumberType } from "@requant/core";
import { valueByteLengths } from "./constants.ts";
import type { HeaderBytes } from "./cursor.ts";
import { decodeText } from "./text.ts";

/**
 * Metadata arrays that decode on the first use of their `value`: most readers of a header never look at the vocabulary.
 * Until then they keep the header's bytes in memory.
 */

/** Strings with their lengths from `start` on, whose lengths are already checked. */
export function stringArray(
  window: HeaderBytes,
  start: number,
  length: number,
  littleEndian: boolean,
): MetadataArray {
  let value: readonly string[] | undefined;
  return {
    type: "array",
    elementType: "string",
    length,
    get value(): readonly string[] {
      value ??= decodeStrings(window.bytes, start, length, littleEndian);
      return value;
    },
  };
}

/** The bytes that an array of strings was decoded from. The arrays are frozen, so that the bytes stay right. */
const decoded = /* @__PURE__ */ new WeakMap<
  readonly string[],
  { readonly bytes: Uint8Array; readonly littleEndian: boolean }
>();

/** The stored bytes of these strings, if the strings were read from a file of this byte order. */
export function storedStrings(strings: readonly string[], littleEndian: boolean): Uint8Array | undefined {
  const found = decoded.get(strings);
  return found?.littleEndian === littleEndian ? found.bytes : undefined;
}

function decodeStrings(
  bytes: Uint8Array,
  start: number,
  length: number,
  littleEndian: boolean,
): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  let at = start;
  for (let i = 0; i < length; i++) {
    // parsing has checked that the length is a safe number and that the bytes are there
    const byteLength = Number(view.getBigUint64(at, littleEndian));
    at += 8;
    strings.push(decodeText(bytes.subarray(at, at + byteLength)));
    at += byteLength;
  }
  // a copy: the caller may reuse the header's memory
  decoded.set(Object.freeze(strings), { bytes: bytes.slice(start, at), littleEndian });
  return strings;
}

/** Values of one width from `start` on. */
export function fixedArray(
  window: HeaderBytes,
  start: number,
  length: number,
  elementType: NumberType | BigintType | "bool",
  littleEndian: boolean,
): MetadataArray {
  const bytes = (): Uint8Array =>
    window.bytes.subarray(start, start + length * (valueByteLengths[elementType] ?? 1));
  if (elementType === "bool") {
    let value: readonly boolean[] | undefined;
    return {
      type: "array",
      elementType,
      length,
      get value(): readonly boolean[] {
        value ??= Array.from(bytes(), (byte) => byte === 1);
        return value;
      },
    };
  }
  if (elementType === "u64" || elementType === "i64") {
    let value: ArrayLike<bigint> | undefined;
    return {
      type: "array",
      elementType,
      length,
      get value(): ArrayLike<bigint> {
        value ??= new bigintArrays[elementType](nativeCopy(bytes(), 8, littleEndian));
        return value;
      },
    };
  }
  let value: ArrayLike<number> | undefined;
  return {
    type: "array",
    elementType,
    length,
    get value(): ArrayLike<number> {
      value ??= new numberArrays[elementType](
        nativeCopy(bytes(), valueByteLengths[elementType] ?? 1, littleEndian),
      );
      return value;
    },
  };
}

const numberArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  u32: Uint32Array,
  i32: Int32Array,
  f32: Float32Array,
  f64: Float64Array,
} as const;

/**
 * The stored bytes of numbers: the array's own bytes, where it has the stored type and the machine has the file's byte
 * order.
 */
export function storedNumbers(
  values: ArrayLike<number>,
  elementType: NumberType,
  littleEndian: boolean,
): Uint8Array | undefined {
  if (littleEndian !== hostLittleEndian || !(values instanceof numberArrays[elementType])) return undefined;
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

const bigintArrays = { u64: BigUint64Array, i64: BigInt64Array } as const;

const hostLittleEndian = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** The elements in this machine's byte order, aligned. */
function nativeCopy(bytes: Uint8Array, width: number, littleEndian: boolean): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  if (littleEndian !== hostLittleEndian && width > 1) {
    for (let at = 0; at < copy.byteLength; at += width) copy.subarray(at, at + width).reverse();
  }
  return copy.buffer;
}
