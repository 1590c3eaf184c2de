import type { PlanFile } from "../plan.ts";

/** A small file whose whole content is in the plan: config.json, tokenizer. */
type SideFile = Extract<PlanFile, { readonly kind: "text" | "bytes" }>;

const PIECE = 0x8000;

function toBase64(bytes: Uint8Array): string {
  let binary = "";
  for (let start = 0; start < bytes.length; start += PIECE) {
    binary += String.fromCharCode(...bytes.subarray(start, start + PIECE));
  }
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
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
  const bytes = typeof content === "string" ? new TextEncoder().encode(content) : content;
  const text = typeof content === "string" ? content : asText(content);
  return text === undefined
    ? { kind: "bytes", name, byteLength: bytes.byteLength, base64: toBase64(bytes) }
    : { kind: "text", name, byteLength: bytes.byteLength, text };
}

/** The whole content. */
export function sideFileBytes(file: SideFile): Uint8Array {
  return file.kind === "text" ? new TextEncoder().encode(file.text) : fromBase64(file.base64);
}
