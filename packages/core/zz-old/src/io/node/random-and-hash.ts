import type { ByteHash } from "../byte-hash.ts";

/** `node:crypto`, loaded on first use: loading it takes a tenth of the time of a command that only inspects a model. */

function crypto(): typeof import("node:crypto") {
  return process.getBuiltinModule("node:crypto");
}

/** Twice as many hex digits as bytes. */
export function randomHex(byteLength: number): string {
  return crypto().randomBytes(byteLength).toString("hex");
}

/** The first `length` hex digits of the SHA-256 of a text. */
export function shortHash(text: string, length: number): string {
  return crypto().createHash("sha256").update(text).digest("hex").slice(0, length);
}

/** SHA-256 of bytes that come in pieces, with the processor's own instructions where it has them. */
export function nodeSha256(): ByteHash {
  const hash = crypto().createHash("sha256");
  return {
    update(bytes) {
      hash.update(bytes);
    },
    hex: () => hash.digest("hex"),
  };
}
