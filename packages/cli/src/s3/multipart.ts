/** The requests of S3's multipart upload (Amazon S3 User Guide, "Uploading an object using multipart upload"). */
import { IoError, isCodecError } from "@requant/core";
import { TransientFault } from "@requant/core/http";
import { isEncrypted, isMd5, partChecksums, plainETag } from "./checksums.ts";
import type { S3Client } from "./client.ts";
import { elements, elementText, escaped } from "./xml.ts";

const MiB = 1024 * 1024;
const SMALLEST_PART = 8 * MiB;
/** S3's limit. */
const MOST_PARTS = 10_000;

/** Parts of 8 MiB, or as many MiB as let 10,000 parts hold the file. */
export function partLengthFor(byteLength: number): number {
  return Math.max(SMALLEST_PART, Math.ceil(byteLength / MOST_PARTS / MiB) * MiB);
}

/** One upload to one object. */
export interface UploadPlace {
  readonly client: S3Client;
  readonly key: string;
  readonly uploadId: string;
}

/** Begins an upload. @returns its id */
export async function beginMultipart(client: S3Client, key: string): Promise<string> {
  const { text } = await client.ask({
    method: "POST",
    key,
    query: { uploads: "" },
    headers: { "content-type": "application/octet-stream" },
  });
  const uploadId = elementText(text, "UploadId");
  if (uploadId === undefined || uploadId === "") throw notS3(client.nameOf(key), "names no upload");
  return uploadId;
}

/** Sends a part. @returns its ETag, which is the MD5 of the bytes unless the server encrypts with a key of its own */
export async function putPart(
  { client, key, uploadId }: UploadPlace,
  index: number,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<string> {
  const name = client.nameOf(key);
  const { md5, headers } = partChecksums(bytes);
  const query = { partNumber: index + 1, uploadId };
  let etag = "";
  await client.ask({ method: "PUT", key, query, headers, body: bytes }, (answer) => {
    etag = plainETag(answer.headers.get("etag"));
    if (etag === "" || /\s/.test(etag)) throw notS3(name, "has no ETag");
    if (isMd5(etag) && etag !== md5 && !isEncrypted(answer.headers)) {
      throw new TransientFault(otherPart(name, index, md5, etag));
    }
  });
  return etag;
}

/**
 * Lets the server put the parts together.
 * @param expected the ETag that the object will have, where it is known: an object that has it is taken as the result of an earlier attempt
 * @returns the object's ETag
 */
export async function completeMultipart(
  { client, key, uploadId }: UploadPlace,
  answers: ReadonlyMap<number, string>,
  expected: string | undefined,
): Promise<string> {
  const parts = sorted(answers).map(
    ([index, etag]) => `<Part><PartNumber>${index + 1}</PartNumber><ETag>"${escaped(etag)}"</ETag></Part>`,
  );
  const body = `<CompleteMultipartUpload xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${parts.join("")}</CompleteMultipartUpload>`;
  try {
    const { text } = await client.ask({ method: "POST", key, query: { uploadId }, body });
    return plainETag(elementText(text, "ETag"));
  } catch (error) {
    // the answer to an earlier attempt was lost: the object is there, and the upload is not
    const found = reasonOf(error) === "NoSuchUpload" ? await objectTag(client, key) : undefined;
    if (found === undefined || found !== expected) throw error;
    return found;
  }
}

/** The ETags of parts in the order of the parts. */
export function inOrder(answers: ReadonlyMap<number, string>): string[] {
  return sorted(answers).map(([, etag]) => etag);
}

/** The parts that the server has, by index; undefined where the upload is not there any more. */
export async function partsOf({
  client,
  key,
  uploadId,
}: UploadPlace): Promise<ReadonlyMap<number, string> | undefined> {
  const parts = new Map<number, string>();
  for (let marker = "0"; ; ) {
    let text: string;
    try {
      const query = { uploadId, "part-number-marker": marker };
      ({ text } = await client.ask({ method: "GET", key, query }));
    } catch (error) {
      if (reasonOf(error) === "NoSuchUpload") return undefined;
      throw error;
    }
    for (const part of elements(text, "Part")) {
      parts.set(Number(elementText(part, "PartNumber")) - 1, plainETag(elementText(part, "ETag")));
    }
    const next = elementText(text, "NextPartNumberMarker");
    if (elementText(text, "IsTruncated") !== "true" || next === undefined || next === marker) return parts;
    marker = next;
  }
}

/** The ETag of an object; undefined where there is none. */
export async function objectTag(client: S3Client, key: string): Promise<string | undefined> {
  try {
    const { headers } = await client.ask({ method: "HEAD", key });
    return plainETag(headers.get("etag"));
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** Removes the parts from the server. A server that has dropped them already says so, which is no fault. */
export async function abortUpload({ client, key, uploadId }: UploadPlace): Promise<void> {
  try {
    await client.ask({ method: "DELETE", key, query: { uploadId } });
  } catch (error) {
    if (reasonOf(error) !== "NoSuchUpload") throw error;
  }
}

export async function removeObject(client: S3Client, key: string): Promise<void> {
  await client.ask({ method: "DELETE", key });
}

function sorted(answers: ReadonlyMap<number, string>): [number, string][] {
  return [...answers].sort(([a], [b]) => a - b);
}

function reasonOf(error: unknown): string | undefined {
  return isCodecError(error) ? error.reason : undefined;
}

function otherPart(path: string, index: number, sent: string, found: string): IoError {
  return new IoError(
    `Part ${index + 1} was sent with the MD5 ${sent}, but the server reports the checksum ${found}.`,
    { path, hint: "The server or something before it changes bytes: use another one." },
  );
}

function notS3(path: string, what: string): IoError {
  return new IoError(`The server's answer ${what}, so it is not that of an S3 server.`, {
    path,
    hint: "Check the address of the server (AWS_ENDPOINT_URL_S3).",
  });
}
