/** One object that is sent in parts: S3's multipart upload (Amazon S3 User Guide, "Uploading an object using multipart upload"). */
import { IoError, isCodecError, type UploadedFile } from "@requant/core";
import { TransientFault } from "@requant/core/http";
import type { KnownUpload, UploadState } from "../upload-state.ts";
import { isEncrypted, isMd5, objectETag, partChecksums, plainETag } from "./checksums.ts";
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

interface Opening {
  readonly client: S3Client;
  readonly key: string;
  readonly byteLength: number;
  readonly partByteLength: number;
  readonly state: UploadState;
  readonly resume: boolean;
}

/** Continues the upload that `state` knows; one that cannot be continued is aborted. */
export async function uploadedFile(opening: Opening): Promise<UploadedFile> {
  const { client, key, byteLength, partByteLength, state, resume } = opening;
  const name = client.nameOf(key);
  const earlier = await earlierUpload(opening);
  const answers = new Map(earlier?.parts);
  let known = earlier?.known;
  let { published = false } = earlier ?? {};
  let publishedHere = false;
  let confirmed = published;
  let ended = false;

  async function complete(uploadId: string, expected: string | undefined): Promise<string> {
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

  return {
    name,
    byteLength,
    partByteLength,
    journal: earlier === undefined ? new Uint8Array(0) : state.journal,
    parts: new Map(answers),
    get published() {
      return published;
    },
    get confirmed() {
      return confirmed;
    },
    cutJournal: (length) => state.cutJournal(length),
    log: (bytes) => state.log(bytes),
    async begin() {
      if (known !== undefined) return;
      const { text } = await client.ask({
        method: "POST",
        key,
        query: { uploads: "" },
        headers: { "content-type": "application/octet-stream" },
      });
      const uploadId = elementText(text, "UploadId");
      if (uploadId === undefined || uploadId === "") throw notS3(name, "names no upload");
      known = { uploadId, byteLength, partByteLength };
      await state.remember(known);
    },
    async put(index, bytes) {
      const { md5, headers } = partChecksums(bytes);
      const query = { partNumber: index + 1, uploadId: known?.uploadId ?? "" };
      let etag = "";
      await client.ask({ method: "PUT", key, query, headers, body: bytes }, (answer) => {
        etag = plainETag(answer.headers.get("etag"));
        if (etag === "" || /\s/.test(etag)) throw notS3(name, "has no ETag");
        if (isMd5(etag) && etag !== md5 && !isEncrypted(answer.headers)) {
          throw new TransientFault(otherPart(name, index, md5, etag));
        }
      });
      answers.set(index, etag);
      return etag;
    },
    async publish() {
      if (published || known === undefined) return;
      const expected = objectETag(sorted(answers).map(([, etag]) => etag));
      if (expected !== undefined) await state.remember({ ...known, completing: expected });
      const found = await complete(known.uploadId, expected);
      published = true;
      publishedHere = true;
      confirmed = expected !== undefined && found === expected;
    },
    finish: async () => {
      ended = true;
      await state.end(false);
    },
    async keep() {
      if (ended) return;
      ended = true;
      if (publishedHere) await removeObject(client, key).catch(() => {});
      await state.end(!publishedHere);
    },
    async discard() {
      if (ended) return;
      ended = true;
      try {
        if (publishedHere) await removeObject(client, key);
        else if (known !== undefined && !published) await abortUpload(client, key, known.uploadId);
        await state.end(false);
      } catch {
        // the next run to this object aborts the upload
        await state.end(true);
      }
    },
  };

  /** What an earlier run left; undefined where this run begins anew. */
  async function earlierUpload({ state: kept }: Opening): Promise<Earlier | undefined> {
    const { known: before } = kept;
    if (before === undefined) return undefined;
    const fits = before.byteLength === byteLength && before.partByteLength === partByteLength;
    const parts = resume && fits ? await partsOf(client, key, before.uploadId) : undefined;
    if (parts !== undefined) return { known: before, parts, published: false };
    if (resume && before.completing !== undefined && (await objectTag(client, key)) === before.completing) {
      return { known: before, parts: new Map(), published: true };
    }
    await abortUpload(client, key, before.uploadId);
    return undefined;
  }
}

interface Earlier {
  readonly known: KnownUpload;
  readonly parts: ReadonlyMap<number, string>;
  readonly published: boolean;
}

/** The parts that the server has, by index; undefined where the upload is not there any more. */
async function partsOf(
  client: S3Client,
  key: string,
  uploadId: string,
): Promise<ReadonlyMap<number, string> | undefined> {
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
async function objectTag(client: S3Client, key: string): Promise<string | undefined> {
  try {
    const { headers } = await client.ask({ method: "HEAD", key });
    return plainETag(headers.get("etag"));
  } catch (error) {
    if (isCodecError(error)) return undefined;
    throw error;
  }
}

/** Removes the parts from the server. A server that has dropped them already says so, which is no fault. */
async function abortUpload(client: S3Client, key: string, uploadId: string): Promise<void> {
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
