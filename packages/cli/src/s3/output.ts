/** A folder of an S3 bucket as an output. */
import { type OutputStore, runPlan } from "@requant/convert";
import { checkStorePath, type UrlOptions, UsageError } from "@requant/core";
import type { AskedPlace, RemoteOutput, RemotePlace } from "../remote-output.ts";
import { secretFrom } from "../secret.ts";
import { uploadState } from "../upload-state.ts";
import { workFolder } from "../user-folders.ts";
import { type S3Place, s3Place, s3ReadStore } from "./address.ts";
import { type S3Client, s3Client } from "./client.ts";
import { partLengthFor, removeObject, uploadedFile } from "./upload-file.ts";
import { elements, elementText } from "./xml.ts";

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
  };
  return { name: place.file, remote };
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

/** @param folder of this machine: what it remembers of unfinished uploads */
export function s3OutputStore(
  place: S3Place,
  folder: string,
  options: UrlOptions & {
    /** Default: by the length of the file. */
    readonly partByteLength?: number;
  },
): OutputStore {
  const { partByteLength, ...asking } = options;
  const { name, open } = s3ReadStore(place, asking);
  const client = s3Client(place, asking);
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
    remove: (path) => removeObject(client, keyOf(path)),
  };
}

/** The names of the objects directly below a prefix. */
async function namesBelow(client: S3Client, prefix: string): Promise<string[]> {
  const names: string[] = [];
  let token: string | undefined;
  for (;;) {
    const { text } = await client.ask({
      method: "GET",
      query: {
        "list-type": 2,
        prefix,
        delimiter: "/",
        ...(token === undefined ? {} : { "continuation-token": token }),
      },
    });
    for (const object of elements(text, "Contents")) {
      const key = elementText(object, "Key") ?? "";
      if (key.startsWith(prefix) && key.length > prefix.length) names.push(key.slice(prefix.length));
    }
    const next = elementText(text, "NextContinuationToken");
    if (elementText(text, "IsTruncated") !== "true" || next === undefined || next === token) return names;
    token = next;
  }
}
