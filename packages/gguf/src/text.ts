import { UsageError } from "@requant/core";

/**
 * Strings of a GGUF file should be UTF-8, but some vocabularies have tokens of any bytes. A byte that is not part of
 * valid UTF-8 becomes the lone surrogate U+DC00 + byte, which no valid UTF-8 decodes to, so that writing the string gives
 * the same bytes again (the "surrogateescape" of Python's PEP 383).
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return decoder().decode(bytes);
  } catch {
    return decodeEscaping(bytes);
  }
}

/** The bytes that `decodeText` read. @throws UsageError for a lone surrogate that `decodeText` never makes. */
export function encodeText(text: string): Uint8Array {
  if (!hasEscapedBytes(text)) return encoder().encode(text);
  const parts: number[] = [];
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    if (code >= 0xdc80 && code <= 0xdcff) parts.push(code - 0xdc00);
    else if (code >= 0xd800 && code <= 0xdfff) {
      throw new UsageError(`The string holds the lone surrogate U+${code.toString(16).toUpperCase()}.`);
    } else for (const byte of encoder().encode(character)) parts.push(byte);
  }
  return Uint8Array.from(parts);
}

/**
 * Texts one after the other, each after its length in eight bytes, as files store an array of strings. Most are short and
 * without surrogates; starting the encoder for each would cost several times as much as this loop.
 */
export function encodeTexts(texts: readonly string[], littleEndian: boolean): Uint8Array {
  const most = texts.reduce((sum, text) => sum + 8 + 3 * text.length, 0);
  const bytes = new Uint8Array(most);
  const view = new DataView(bytes.buffer);
  const lengthAt = littleEndian ? 0 : 4;
  let at = 0;
  for (let index = 0; index < texts.length; index++) {
    const text = texts[index] ?? "";
    const start = at + 8;
    let end = start;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code < 0x80) bytes[end++] = code;
      else if (code < 0x800) {
        bytes[end++] = 0xc0 | (code >> 6);
        bytes[end++] = 0x80 | (code & 0x3f);
      } else if (code < 0xd800 || code > 0xdfff) {
        bytes[end++] = 0xe0 | (code >> 12);
        bytes[end++] = 0x80 | ((code >> 6) & 0x3f);
        bytes[end++] = 0x80 | (code & 0x3f);
      } else {
        const encoded = encodeText(text);
        bytes.set(encoded, start);
        end = start + encoded.byteLength;
        break;
      }
    }
    view.setUint32(at + lengthAt, end - start, littleEndian);
    at = end;
  }
  return bytes.subarray(0, at);
}

/** True when `decodeText` met bytes that are not UTF-8. */
export function hasEscapedBytes(text: string): boolean {
  // nearly no text has surrogates at all, and the first pattern compiles in a fifth of the time
  return /[\ud800-\udfff]/.test(text) && /\p{Surrogate}/u.test(text);
}

function decodeEscaping(bytes: Uint8Array): string {
  let text = "";
  let start = 0;
  while (start < bytes.byteLength) {
    const length = validRun(bytes, start);
    text += decoder().decode(bytes.subarray(start, start + length));
    start += length;
    if (start < bytes.byteLength) {
      text += String.fromCharCode(0xdc00 + (bytes[start] ?? 0));
      start += 1;
    }
  }
  return text;
}

/** Length of the valid UTF-8 from `start` on (Unicode 15, table 3-7: no overlong forms, surrogates, or above U+10FFFF). */
function validRun(bytes: Uint8Array, start: number): number {
  let at = start;
  while (at < bytes.byteLength) {
    const length = sequenceLength(bytes, at);
    if (length === 0) break;
    at += length;
  }
  return at - start;
}

function sequenceLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
  const least = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const greatest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  const second = bytes[at + 1] ?? 0;
  if (second < least || second > greatest) return 0;
  for (let i = 2; i < length; i++) {
    const next = bytes[at + i] ?? 0;
    if (next < 0x80 || next > 0xbf) return 0;
  }
  return length;
}

let sharedDecoder: TextDecoder | undefined;
function decoder(): TextDecoder {
  // a byte-order mark is kept as a character, so that writing gives the same bytes
  sharedDecoder ??= new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return sharedDecoder;
}

let sharedEncoder: TextEncoder | undefined;
function encoder(): TextEncoder {
  sharedEncoder ??= new TextEncoder();
  return sharedEncoder;
}
