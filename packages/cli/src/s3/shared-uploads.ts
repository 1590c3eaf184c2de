/** Objects that several machines send in parts to the same uploads, and the ledgers beside them, each an object of its own. */
import { randomBytes } from "node:crypto";
import type { BegunUpload, ReadStore, SharedLog, SharedUpload, SharedUploads } from "@requant/core";
import { objectETag, partChecksums } from "./checksums.ts";
import type { S3Client } from "./client.ts";
import { namesBelow } from "./list.ts";
import { abortUpload, completeMultipart, inOrder, partsOf, putPart, removeObject } from "./multipart.ts";

const LOG_SUFFIX = ".log";

/** What is needed to share uploads. */
export interface SharingPlace {
  readonly client: S3Client;
  /** The same after an abort: ledgers are written all the same. */
  readonly lastClient: S3Client;
  readonly store: ReadStore;
  /** Of the output folder. */
  readonly prefix: string;
}

/** @param name of the work */
export function sharedUploads(
  place: SharingPlace,
  name: string,
  files: readonly BegunUpload[],
): SharedUploads {
  const { client, prefix } = place;
  const folder = `.${name}.requant-parts/`;
  // flat: a listing of the output does not go into folders
  const startOf = (group: string): string => `${group.replaceAll("/", "_")}.`;
  const listed = (start: string): Promise<string[]> => namesBelow(client, prefix + folder + start);
  const readLog = async (path: string): Promise<Uint8Array | undefined> => {
    const source = await place.store.open(path);
    try {
      return await source?.read(0, source.byteLength);
    } finally {
      await source?.close();
    }
  };
  return {
    name: client.nameOf(prefix + folder),
    files: files.map((file) => sharedUpload(client, prefix + file.name, file)),
    async startLog(group) {
      const key = `${prefix}${folder}${startOf(group)}${randomBytes(8).toString("hex")}${LOG_SUFFIX}`;
      return growingObject(place.lastClient, key);
    },
    async readLogs(group) {
      const start = startOf(group);
      const logs: Uint8Array[] = [];
      for (const rest of await listed(start)) {
        const bytes = await readLog(folder + start + rest);
        if (bytes !== undefined) logs.push(bytes);
      }
      return logs;
    },
    async *allLogs() {
      for (const log of await listed("")) {
        if (!log.endsWith(LOG_SUFFIX)) continue;
        const bytes = await readLog(folder + log);
        const [group = ""] = log.split(".", 1);
        if (bytes !== undefined) yield { group: group.replaceAll("_", "/"), bytes };
      }
    },
    async remove() {
      for (const log of await listed("")) await removeObject(client, prefix + folder + log);
    },
  };
}

function sharedUpload(
  client: S3Client,
  key: string,
  { id, byteLength, partByteLength }: BegunUpload,
): SharedUpload {
  const place = { client, key, uploadId: id };
  return {
    name: client.nameOf(key),
    byteLength,
    partByteLength,
    parts: () => partsOf(place),
    put: (index, bytes) => putPart(place, index, bytes),
    async publish(parts) {
      const expected = objectETag(inOrder(parts));
      const found = await completeMultipart(place, parts, expected);
      return expected !== undefined && found === expected;
    },
    abandon: () => abortUpload(place),
  };
}

/** An object cannot be appended to: each time it is written as a whole. */
function growingObject(client: S3Client, key: string): SharedLog {
  let written = new Uint8Array();
  return {
    async append(bytes) {
      const all = new Uint8Array(written.byteLength + bytes.byteLength);
      all.set(written);
      all.set(bytes, written.byteLength);
      await client.ask({ method: "PUT", key, headers: partChecksums(all).headers, body: all });
      written = all;
    },
    async close() {},
  };
}
