/** A folder of an S3 bucket as an output. */
import { type OutputStore, runPlan } from "@requant/convert";
import { checkStorePath, type UrlOptions, UsageError } from "@requant/core";
import type { AskedPlace, RemoteOutput, RemotePlace } from "../remote-output.ts";
import { secretFrom } from "../secret.ts";
import { uploadState } from "../upload-state.ts";
import { workFolder } from "../user-folders.ts";
import { type S3Place, s3Place, s3ReadStore } from "./address.ts";
import { s3Client, WITH_RESUME } from "./client.ts";
import { namesBelow } from "./list.ts";
import { beginMultipart, partLengthFor, removeObject } from "./multipart.ts";
import { sharedUploads } from "./shared-uploads.ts";
import { uploadedFile } from "./upload-file.ts";

const KEYS = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] as const;

/**
 * `s3://bucket/folder/model.gguf` for a target of one file, `s3://bucket/folder` for others.
 * @throws UsageError where there are no keys to write with
 */
export function s3Output({ argument, singleFile, environment, options }: AskedPlace): RemotePlace {
  const place = s3Place(argument, environment, () => singleFile);
  if (options.isOnlyShown !== true) refuseWithoutKeys(environment);
  const folder = workFolder(environment, "uploads");
  const remote: RemoteOutput = {
    folder: `s3://${argument.split("/")[2]}/${place.prefix}`,
    run: (plan, model, { signal, ...options }) =>
      runPlan(plan, model, s3OutputStore(place, folder, signal === undefined ? {} : { signal }), {
        ...options,
        signal,
      }),
    partsStore(signal) {
      refuseWithoutKeys(environment);
      return s3OutputStore(place, folder, { signal }, "run the same command again");
    },
  };
  return { name: place.file, remote };
}

/**
 * The output of a saved plan.
 * @param address `s3://bucket/folder/`
 * @throws UsageError where there are no keys to write with
 */
export function s3PartsStore(
  address: string,
  environment: NodeJS.ProcessEnv,
  signal: AbortSignal,
): OutputStore {
  const options = { isOnlyShown: true };
  const { remote } = s3Output({ argument: address, singleFile: false, environment, options });
  const store = remote.partsStore?.(signal);
  if (store === undefined) throw new UsageError("Parts cannot be written to this place.", { path: address });
  return store;
}

/** A public bucket can be read without keys; writing asks for them. */
function refuseWithoutKeys(environment: NodeJS.ProcessEnv): void {
  const missing = KEYS.filter((name) => secretFrom(environment, name) === undefined);
  if (missing.length === 0) return;
  const are = missing.length === 1 ? "is not" : "are not";
  throw new UsageError(`An output on S3 needs keys to write with, and ${missing.join(" and ")} ${are} set.`, {
    hint: `Set ${missing.join(" and ")}; profiles and files of the AWS tools are not read.`,
  });
}

/**
 * @param folder of this machine: what it remembers of unfinished uploads
 * @param again how the user goes on after a refusal
 */
export function s3OutputStore(
  place: S3Place,
  folder: string,
  options: UrlOptions & {
    /** Default: by the length of the file. */
    readonly partByteLength?: number;
  },
  again: string = WITH_RESUME,
): OutputStore {
  const { partByteLength, ...asking } = options;
  const store = s3ReadStore(place, asking);
  const { name, open } = store;
  const client = s3Client(place, asking, again);
  const keyOf = (path: string): string => {
    checkStorePath(path, name);
    return place.prefix + path;
  };
  return {
    name,
    open,
    list: (below) => namesBelow(client, place.prefix + (below === undefined ? "" : `${below}/`)),
    create() {
      throw new UsageError("Objects are sent in parts and not appended to.", { path: name });
    },
    async upload(path, { byteLength, resume = false }) {
      const key = keyOf(path);
      const state = await uploadState(folder, client.nameOf(key));
      try {
        const length = partByteLength ?? partLengthFor(byteLength);
        return await uploadedFile({ client, key, byteLength, partByteLength: length, state, resume });
      } catch (error) {
        await state.end(true);
        throw error;
      }
    },
    async beginUpload(path, byteLength) {
      const id = await beginMultipart(client, keyOf(path));
      return { name: path, byteLength, id, partByteLength: partByteLength ?? partLengthFor(byteLength) };
    },
    shareUploads(work, files) {
      for (const file of files) keyOf(file.name);
      const { signal: _, ...lasting }: UrlOptions = asking;
      const lastClient = s3Client(place, lasting, again);
      return sharedUploads({ client, lastClient, store, prefix: place.prefix }, work, files);
    },
    remove: (path) => removeObject(client, keyOf(path)),
  };
}
