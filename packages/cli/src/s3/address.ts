/** Addresses of an S3 object store. */
import { type ReadStore, shownUrl, type UrlOptions, UsageError, urlStore } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import { readingRefused } from "./refusals.ts";
import { signedFetch } from "./signed-fetch.ts";

/** Where an `s3://` address points over HTTP, with a `fetch` that signs each request. */
export interface S3Place {
  /** URL of the bucket, without a slash at the end. */
  readonly bucketUrl: string;
  /** Of the folder, with a slash at the end where there is one. */
  readonly prefix: string;
  /** Name of the one file; undefined where the address is that of a folder. */
  readonly file: string | undefined;
  readonly fetch: typeof globalThis.fetch;
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;

/** `s3://bucket/folder/file.gguf`, or `s3://bucket/folder/` for a Hugging Face-style folder. */
export function s3Store(
  argument: string,
  environment: NodeJS.ProcessEnv,
  options: UrlOptions,
): { store: ReadStore; file: string | undefined } {
  const place = s3Place(argument, environment);
  return { store: s3ReadStore(place, options), file: place.file };
}

/** The files below the folder of a place. */
export function s3ReadStore({ bucketUrl, prefix, fetch }: S3Place, options: UrlOptions): ReadStore {
  const asking: typeof globalThis.fetch = async (input, init) => {
    const response = await fetch(input, init);
    const { status } = response;
    if (status !== 401 && status !== 403) return response;
    await response.body?.cancel();
    throw readingRefused(shownUrl(String(input)), status);
  };
  return urlStore(`${bucketUrl}/${encodedKey(prefix)}`, { ...options, fetch: asking });
}

/** A key as it stands in a URL. */
export function encodedKey(key: string): string {
  return key.split("/").map(encodeURIComponent).join("/");
}

const isModelFile = (name: string): boolean => /\.(gguf|safetensors|json)$/i.test(name);

/**
 * @param isFile whether the last part of an address names a file; default: by its ending
 * @throws UsageError for a text that is no address of a bucket
 */
export function s3Place(
  argument: string,
  environment: NodeJS.ProcessEnv,
  isFile: (name: string) => boolean = isModelFile,
): S3Place {
  const [, bucket = "", key = ""] = /^s3:\/\/([^/]+)(?:\/(.*))?$/s.exec(argument) ?? [];
  const parts = key.split("/");
  if (bucket !== "" && !BUCKET.test(bucket)) {
    throw new UsageError(`${shownUrl(argument)}: this is not the name of an S3 bucket.`, {
      hint: "A bucket has 3 to 63 lowercase letters, digits, dots and hyphens: s3://bucket/folder/file.gguf.",
    });
  }
  if (bucket === "" || parts.some((part) => part === "." || part === "..")) {
    throw new UsageError(`${shownUrl(argument)}: not an S3 address.`, {
      hint: "Write s3://bucket/folder/file.gguf.",
    });
  }
  const last = parts.at(-1) ?? "";
  const namesFile = last !== "" && isFile(last);
  // a key is any text: an empty part is a part of it; only a slash at the end is none
  const folder = namesFile || last === "" ? parts.slice(0, -1) : parts;
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  return {
    bucketUrl: urlOfBucket(bucket, region, endpointOf(environment)),
    prefix: folder.map((part) => `${part}/`).join(""),
    file: namesFile ? last : undefined,
    fetch: signedFetch(region, environment),
  };
}

/** As Amazon's own tools read them: the variable of the one service comes before that of all. */
const ENDPOINTS = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"] as const;

/** @throws UsageError naming the variable, whose value may hold a password and is not shown */
function endpointOf(environment: NodeJS.ProcessEnv): string | undefined {
  const name = ENDPOINTS.find(
    (variable) => environment[variable] !== undefined && environment[variable] !== "",
  );
  const endpoint = name === undefined ? undefined : environment[name];
  if (name === undefined || endpoint === undefined) return undefined;
  if (!/^https?:\/\//i.test(endpoint)) {
    throw new UsageError(`${name}: http:// or https:// is missing at the beginning.`, {
      hint: `Set ${name} to https://host, or to http://host:port for a server without TLS.`,
    });
  }
  if (!URL.canParse(endpoint)) {
    throw new UsageError(`${name}: the address of the server is not a URL.`, {
      hint: `Set ${name} to https://host:port.`,
    });
  }
  const { username, password } = new URL(endpoint);
  if (username === "" && password === "") return endpoint;
  throw new UsageError(`${name}: a name and a password in the address are not used.`, {
    hint: `Leave them out of ${name}, and set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.`,
  });
}

/** A bucket with dots in its name has no certificate of its own; other servers than Amazon's mostly want the path. */
function urlOfBucket(bucket: string, region: string, endpoint: string | undefined): string {
  if (endpoint !== undefined) return `${withoutTrailing(endpoint, "/")}/${bucket}`;
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes(".") ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}
