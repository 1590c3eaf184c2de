import type { PlanFile } from "../plan.ts";

/** A small file whose whole content is in the plan: config.json, tokenizer. */
type SideFile = Extract<PlanFile, { readonly kind: "text" | "bytes" }>;

const BASE64 = /* @__PURE__ */ new TextEncoder().encode(
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
);
const PADDING = 0x3d;

/** Base64 of RFC 4648. `btoa` wants a string of all bytes first, which of a tokenizer.model is slow to make. */
function toBase64(bytes: Uint8Array): string {
  const digits = new Uint8Array(4 * Math.ceil(bytes.length / 3)).fill(PADDING);
  const digit = (value: number): number => BASE64[value & 63] ?? 0;
  for (let from = 0, to = 0; from < bytes.length; from += 3, to += 4) {
    const left = bytes.length - from;
    const three = ((bytes[from] ?? 0) << 16) | ((bytes[from + 1] ?? 0) << 8) | (bytes[from + 2] ?? 0);
    digits[to] = digit(three >> 18);
    digits[to + 1] = digit(three >> 12);
    if (left > 1) digits[to + 2] = digit(three >> 6);
    if (left > 2) digits[to + 3] = digit(three);
  }
  return new TextDecoder().decode(digits);
}

function fromBase64(text: string): Uint8Array {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
  return bytes;
}

/** Bytes of a text in UTF-8, without encoding it: a tokenizer.json may have 30 MB. */
function utf8Length(text: string): number {
  let length = 0;
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code < 0x80) length += 1;
    else if (code < 0x800) length += 2;
    else if (isHighSurrogate(code) && isLowSurrogate(text.charCodeAt(at + 1))) {
      length += 4;
      at++;
    } else length += 3; // a lone surrogate becomes U+FFFD, which has three as well
  }
  return length;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code <= 0xdbff;
}

function isLowSurrogate(code: number): boolean {
  return code >= 0xdc00 && code <= 0xdfff;
}

/** The text of bytes that are UTF-8 all through; undefined for others, so that no byte is changed. */
function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

export function planSideFile(name: string, content: string | Uint8Array): SideFile {
  if (typeof content === "string") {
    return { kind: "text", name, byteLength: utf8Length(content), text: content };
  }
  const byteLength = content.byteLength;
  const text = asText(content);
  return text === undefined
    ? { kind: "bytes", name, byteLength, base64: toBase64(content) }
    : { kind: "text", name, byteLength, text };
}

/** The whole content. */
export function sideFileBytes(file: SideFile): Uint8Array {
  return file.kind === "text" ? new TextEncoder().encode(file.text) : fromBase64(file.base64);
}
