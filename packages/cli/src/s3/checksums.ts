import { createHash } from "node:crypto";

/** The checksums of a part, as S3 spells them. */
export interface PartChecksums {
  /** Hex digits: the ETag of a part. */
  readonly md5: string;
  /** Headers with which the server refuses a body that is not what was sent. */
  readonly headers: Readonly<Record<string, string>>;
}

export function partChecksums(bytes: Uint8Array): PartChecksums {
  const md5 = createHash("md5").update(bytes).digest();
  return {
    md5: md5.toString("hex"),
    headers: {
      "content-md5": md5.toString("base64"),
      "x-amz-content-sha256": createHash("sha256").update(bytes).digest("hex"),
    },
  };
}

/** The ETag of an object that was sent in parts (MD5 of the MD5s, and their number); undefined where no part's is an MD5. */
export function objectETag(parts: readonly string[]): string | undefined {
  if (!parts.every(isMd5)) return undefined;
  const hash = createHash("md5");
  for (const part of parts) hash.update(Buffer.from(part, "hex"));
  return `${hash.digest("hex")}-${parts.length}`;
}

export function isMd5(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** An ETag without its quotation marks; empty where there is none. */
export function plainETag(text: string | null | undefined): string {
  return (text ?? "").replaceAll('"', "").trim();
}

/** Under these headers an ETag is no checksum of the bytes: the server encrypts with a key of its own. */
export function isEncrypted(headers: Headers): boolean {
  return (
    headers.get("x-amz-server-side-encryption")?.startsWith("aws:kms") === true ||
    headers.has("x-amz-server-side-encryption-customer-algorithm")
  );
}
