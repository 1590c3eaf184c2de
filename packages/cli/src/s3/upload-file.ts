/** One object that this process sends in parts, and that a later run can go on with. */
import type { UploadedFile } from "@requant/core";
import type { KnownUpload, UploadState } from "../upload-state.ts";
import { objectETag } from "./checksums.ts";
import type { S3Client } from "./client.ts";
import {
  abortUpload,
  beginMultipart,
  completeMultipart,
  inOrder,
  objectTag,
  partsOf,
  putPart,
  removeObject,
  type UploadPlace,
} from "./multipart.ts";

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
  const placeOf = (uploadId: string): UploadPlace => ({ client, key, uploadId });
  const earlier = await earlierUpload(opening);
  const answers = new Map(earlier?.parts);
  let known = earlier?.known;
  let { published = false } = earlier ?? {};
  let publishedHere = false;
  let confirmed = published;
  let ended = false;

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
      const uploadId = await beginMultipart(client, key);
      known = { uploadId, byteLength, partByteLength };
      await state.remember(known);
    },
    async put(index, bytes) {
      const etag = await putPart(placeOf(known?.uploadId ?? ""), index, bytes);
      answers.set(index, etag);
      return etag;
    },
    async publish() {
      if (published || known === undefined) return;
      const expected = objectETag(inOrder(answers));
      if (expected !== undefined) await state.remember({ ...known, completing: expected });
      const found = await completeMultipart(placeOf(known.uploadId), answers, expected);
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
        else if (known !== undefined && !published) await abortUpload(placeOf(known.uploadId));
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
    const parts = resume && fits ? await partsOf(placeOf(before.uploadId)) : undefined;
    if (parts !== undefined) return { known: before, parts, published: false };
    if (resume && before.completing !== undefined && (await objectTag(client, key)) === before.completing) {
      return { known: before, parts: new Map(), published: true };
    }
    await abortUpload(placeOf(before.uploadId));
    return undefined;
  }
}

interface Earlier {
  readonly known: KnownUpload;
  readonly parts: ReadonlyMap<number, string>;
  readonly published: boolean;
}
