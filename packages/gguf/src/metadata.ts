import {
  type ByteReader,
  type ByteWriter,
  type Finding,
  FormatError,
  type Metadata,
  type MetadataArray,
  type MetadataScalar,
  type MetadataValue,
  type NumberType,
  UsageError,
} from "@requant/core";
import { quoted } from "@requant/core/text";
import { type ValueType, valueByteLengths, valueTypes } from "./constants.ts";
import { type HeaderCursor, type Parser, whole } from "./cursor.ts";
import type { GgufFindingCode } from "./finding-codes.ts";
import { fixedArray, storedElements, storedNumbers, stringArray } from "./lazy-array.ts";
import { decodeText, encodeText, encodeTexts, hasEscapedBytes } from "./text.ts";

/** The smallest entry: a key of one byte with its length, a type and a value of one byte. */
const LEAST_ENTRY_BYTE_LENGTH = 8 + 1 + 4 + 1;

/** Templates have line ends and tabs. These are the other characters of \p{Cc}, listed because that compiles faster. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/;

/** The tokens; their scores, types and merges follow, and together they are most of a header. */
const TOKENS_KEY = "tokenizer.ggml.tokens";

/** `count` key-value pairs. Of arrays, only the length is checked; their values decode on first use. */
export function* parseMetadata(
  cursor: HeaderCursor,
  count: number,
  findings: Finding<GgufFindingCode>[],
): Parser<Map<string, MetadataValue>> {
  cursor.checkCount(count, LEAST_ENTRY_BYTE_LENGTH, "The number of key-value pairs");
  cursor.checkLimit(count, "metadataCount", "The number of key-value pairs");
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < count; i++) {
    const at = cursor.offset;
    const key = yield* whole(cursor, () => readName(cursor, "a key"));
    if (metadata.has(key)) {
      throw new FormatError(`The key ${quoted(key)} occurs twice.`, {
        path: cursor.path,
        offset: at,
        reason: "duplicate-name",
      });
    }
    const type = yield* parseValueType(cursor, () => `the value type of ${quoted(key)}`);
    const value = yield* parseValue(cursor, type, JSON.stringify(key));
    // as many merges as tokens (Qwen) or twice that (Llama 3), with a little to spare
    if (key === "tokenizer.ggml.model" && value.value === "gpt2") cursor.mergesPerToken = 2.3;
    if (value.type === "string") warnOfText(key, value.value, findings);
    metadata.set(key, value);
  }
  return metadata;
}

function warnOfText(key: string, text: string, findings: Finding<GgufFindingCode>[]): void {
  const warn = (code: GgufFindingCode, what: string): void => {
    findings.push({ code, severity: "warning", message: `The value of ${quoted(key)} ${what}.`, key });
  };
  if (hasEscapedBytes(text)) warn("invalid-utf8", "is not valid UTF-8");
  if (CONTROL.test(text)) warn("control-character", "holds control characters");
}

/** A key or a tensor name: strict UTF-8, not empty, no NUL (C readers would see another name). Called inside `whole`. */
export function readName(cursor: HeaderCursor, what: string): string {
  const byteLength = readLength(cursor, `the length of ${what}`);
  cursor.want(byteLength, what);
  const at = cursor.offset;
  const name = cursor.reader.utf8(byteLength, what);
  if (name === "") throw cursor.fault(sentence(`${what} is empty.`), undefined, at);
  if (name.includes("\0"))
    throw cursor.fault(sentence(`${what} holds a NUL character: ${quoted(name)}.`), undefined, at);
  return name;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** The length of a string, checked against the file and the limit. Called inside `whole`. */
function readLength(cursor: HeaderCursor, what: string): number {
  cursor.want(8, what);
  const byteLength = cursor.reader.u64(what);
  if (byteLength > cursor.fileRemaining) throw cursor.cutOff(byteLength, what);
  if (!(byteLength <= cursor.limits.stringByteLength))
    cursor.checkLimit(byteLength, "stringByteLength", sentence(what));
  return byteLength;
}

/** @param what makes the name for errors: quoting each key of a header would take longer than reading it */
function* parseValueType(cursor: HeaderCursor, what: () => string): Parser<ValueType> {
  if (!cursor.reader.has(4)) yield* cursor.need(4, what());
  const at = cursor.offset;
  const id = cursor.reader.u32("a value type");
  const type = valueTypes[id];
  if (type !== undefined) return type;
  throw cursor.fault(sentence(`${what()} is ${id}; known are 0 to ${valueTypes.length - 1}.`), undefined, at);
}

function* parseValue(cursor: HeaderCursor, type: ValueType, what: string): Parser<MetadataValue> {
  if (type === "array") return yield* parseArray(cursor, what, 1);
  if (type === "string") {
    const byteLength = yield* whole(cursor, () => readLength(cursor, `the length of ${what}`));
    yield* cursor.need(byteLength, what);
    return { type, value: decodeText(cursor.reader.take(byteLength, what)) };
  }
  yield* cursor.need(valueByteLengths[type] ?? 0, what);
  return readScalar(cursor.reader, type, what);
}

function readScalar(
  reader: ByteReader,
  type: Exclude<ValueType, "array" | "string">,
  what: string,
): MetadataScalar {
  if (type === "bool") return { type, value: reader.bool(what) };
  if (type === "u64") return { type, value: reader.u64Bigint(what) };
  if (type === "i64") return { type, value: reader.i64Bigint(what) };
  return { type, value: reader[type](what) };
}

function* parseArray(cursor: HeaderCursor, what: string, depth: number): Parser<MetadataArray> {
  if (depth > cursor.limits.arrayDepth)
    cursor.checkLimit(depth, "arrayDepth", `The depth of arrays in ${what}`);
  const elementType = yield* parseValueType(cursor, () => `the element type of ${what}`);
  yield* cursor.need(8, `the length of ${what}`);
  const length = cursor.reader.u64(`the length of ${what}`);
  // a string is at least its length, an array its element type and its length
  const least = valueByteLengths[elementType] ?? (elementType === "string" ? 8 : 12);
  cursor.checkCount(length, least, `The length of the array ${what}`);
  cursor.checkLimit(length, "arrayLength", `The length of the array ${what}`);
  if (elementType === "array") {
    cursor.nestedArrayCount += length;
    cursor.checkLimit(cursor.nestedArrayCount, "metadataCount", "The number of arrays inside arrays");
    const value: MetadataArray[] = [];
    for (let i = 0; i < length; i++) value.push(yield* parseArray(cursor, what, depth + 1));
    return { type: "array", elementType, length, value };
  }
  if (elementType === "string") {
    const start = cursor.offset;
    yield* walkStrings(cursor, length, what);
    const place = { start, end: cursor.offset, length };
    return stringArray(cursor.window, place, cursor.reader.littleEndian);
  }
  const byteLength = length * least;
  yield* cursor.need(byteLength, what);
  const start = cursor.offset;
  const bytes = cursor.reader.take(byteLength, what);
  if (elementType === "bool") {
    const bad = bytes.findIndex((byte) => byte > 1);
    if (bad >= 0) {
      throw cursor.fault(`A boolean in ${what} is ${bytes[bad]}, not 0 or 1.`, undefined, start + bad);
    }
  }
  return fixedArray(cursor.window, start, length, elementType, cursor.reader.littleEndian);
}

/** Moves past `count` strings; asks for as many bytes as the strings so far suggest, so that few reads suffice. */
function* walkStrings(cursor: HeaderCursor, count: number, what: string): Parser<void> {
  const start = cursor.offset;
  const wish = (walked: number): number => {
    const mean = walked === 0 ? 16 : (cursor.offset - start) / walked;
    const after = what === JSON.stringify(TOKENS_KEY) ? count * (8 + cursor.mergesPerToken * (mean + 1)) : 0;
    return Math.ceil(mean * (count - walked) * 1.1 + after);
  };
  for (let i = cursor.skipStrings(count); i < count; i += 1 + cursor.skipStrings(count - i - 1)) {
    // a string that is not complete yet, or that must be refused
    if (!cursor.reader.has(8)) yield* cursor.need(8, `a string length in ${what}`, wish(i));
    const byteLength = cursor.reader.u64("a string length");
    if (byteLength > cursor.fileRemaining) throw cursor.cutOff(byteLength, `a string in ${what}`);
    cursor.checkLimit(byteLength, "stringByteLength", `The length of a string in ${what}`);
    if (!cursor.reader.has(byteLength)) {
      yield* cursor.need(byteLength, `a string in ${what}`, byteLength + wish(i + 1));
    }
    cursor.reader.skip(byteLength);
  }
}

/** Key-value pairs in the map's order. @throws UsageError for a value that its type cannot hold. */
export function writeMetadata(writer: ByteWriter, metadata: Metadata): void {
  for (const [key, value] of metadata) {
    if (key === "" || key.includes("\0")) throw new UsageError(`${quoted(key)} cannot be a key.`);
    writeText(writer, key);
    writer.u32(valueTypes.indexOf(value.type));
    writeValue(writer, value);
  }
}

export function writeText(writer: ByteWriter, text: string): void {
  const bytes = encodeText(text);
  writer.u64(bytes.byteLength);
  writer.bytes(bytes);
}

function writeValue(writer: ByteWriter, value: MetadataValue): void {
  switch (value.type) {
    case "array":
      writeArray(writer, value);
      break;
    case "string":
      writeText(writer, value.value);
      break;
    case "bool":
      writer.bool(value.value);
      break;
    case "u64":
    case "i64":
      writer[value.type](value.value);
      break;
    default:
      writer[value.type](value.value);
  }
}

/** Limits the memory for encoding a vocabulary. */
const TEXTS_AT_ONCE = 4096;

function writeArray(writer: ByteWriter, array: MetadataArray): void {
  const stored = storedElements(array);
  if (stored?.littleEndian === writer.littleEndian) {
    writer.u32(valueTypes.indexOf(array.elementType));
    writer.u64(array.length);
    writer.bytes(stored.bytes);
    return;
  }
  if (array.value.length !== array.length) {
    throw new UsageError(
      `A metadata array says that it has ${array.length} elements and has ${array.value.length}.`,
    );
  }
  writer.u32(valueTypes.indexOf(array.elementType));
  writer.u64(array.length);
  switch (array.elementType) {
    case "array":
      for (const element of array.value) writeArray(writer, element);
      break;
    case "string":
      writeStrings(writer, array.value);
      break;
    case "bool":
      for (const element of array.value) writer.bool(element);
      break;
    case "u64":
    case "i64":
      for (let i = 0; i < array.length; i++) writer[array.elementType](array.value[i] ?? 0n);
      break;
    default:
      writeNumbers(writer, array.elementType, array.value);
  }
}

function writeNumbers(writer: ByteWriter, elementType: NumberType, values: ArrayLike<number>): void {
  const stored = storedNumbers(values, elementType, writer.littleEndian);
  if (stored !== undefined) writer.bytes(stored);
  else for (let i = 0; i < values.length; i++) writer[elementType](values[i] ?? 0);
}

function writeStrings(writer: ByteWriter, strings: readonly string[]): void {
  for (let i = 0; i < strings.length; i += TEXTS_AT_ONCE) {
    writer.bytes(encodeTexts(strings.slice(i, i + TEXTS_AT_ONCE), writer.littleEndian));
  }
}
