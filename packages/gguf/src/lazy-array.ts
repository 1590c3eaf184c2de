import type { BigintType, MetadataArray, NumberType } from "@requant/core";
import { valueByteLengths } from "./constants.ts";
import type { HeaderBytes } from "./cursor.ts";
import { decodeText } from "./text.ts";

/**
 * Metadata arrays that decode on the first use of their `value`: most readers of a header never look at the vocabulary.
 * Until then they keep the header's bytes in memory.
 */

/** The elements of an array as a file stores them, one after the other; each string is behind its length of eight bytes. */
export interface StoredElements {
  readonly bytes: Uint8Array;
  readonly littleEndian: boolean;
}

const storedArrays = /* @__PURE__ */ new WeakMap<MetadataArray, () => StoredElements | undefined>();

/**
 * The bytes of an array that was read from a file, without decoding it; undefined for any other array, and for numbers that
 * were decoded already, because the decoded numbers may have been changed since. The bytes must not be changed.
 * @example
 * import { fileSource } from "@requant/core/node";
 * import { readGguf, storedElements } from "@requant/gguf";
 *
 * const { metadata } = await readGguf(await fileSource("model.gguf"));
 * const tokens = metadata.get("tokenizer.ggml.tokens");
 * const stored = tokens?.type === "array" ? storedElements(tokens) : undefined;
 */
export function storedElements(array: MetadataArray): StoredElements | undefined {
  return storedArrays.get(array)?.();
}

/** Strings with their lengths from `start` to `end`. The lengths are already checked. */
export function stringArray(
  window: HeaderBytes,
  { start, end, length }: { readonly start: number; readonly end: number; readonly length: number },
  littleEndian: boolean,
): MetadataArray {
  let value: readonly string[] | undefined;
  let copy: Uint8Array | undefined;
  const array: MetadataArray = {
    type: "array",
    elementType: "string",
    length,
    get value(): readonly string[] {
      if (value === undefined) {
        const bytes = window.bytes.subarray(start, end);
        value = decodeStrings(bytes, length, littleEndian);
        // the bytes must stay those of the strings
        if (window.mayChange) copy = bytes.slice();
      }
      return value;
    },
  };
  storedArrays.set(array, () => ({ bytes: copy ?? window.bytes.subarray(start, end), littleEndian }));
  return array;
}

/** The strings are frozen, so that their stored bytes stay right. */
function decodeStrings(bytes: Uint8Array, length: number, littleEndian: boolean): readonly string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const strings: string[] = [];
  let at = 0;
  for (let i = 0; i < length; i++) {
    // parsing has checked that the length is a safe number and that the bytes are there
    const byteLength = Number(view.getBigUint64(at, littleEndian));
    at += 8;
    strings.push(decodeText(bytes.subarray(at, at + byteLength)));
    at += byteLength;
  }
  return Object.freeze(strings);
}

/** Values of one width from `start` on. */
export function fixedArray(
  window: HeaderBytes,
  start: number,
  length: number,
  elementType: NumberType | BigintType | "bool",
  littleEndian: boolean,
): MetadataArray {
  const width = valueByteLengths[elementType] ?? 1;
  const bytes = (): Uint8Array => window.bytes.subarray(start, start + length * width);
  let isDecoded = false;
  const array = decodingArray(elementType, length, littleEndian, () => {
    isDecoded = true;
    return bytes();
  });
  storedArrays.set(array, () => (isDecoded ? undefined : { bytes: bytes(), littleEndian }));
  return array;
}

/** @param bytes called once, at the first use of the values */
function decodingArray(
  elementType: NumberType | BigintType | "bool",
  length: number,
  littleEndian: boolean,
  bytes: () => Uint8Array,
): MetadataArray {
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
