import { IoError, type ReadStore, shownUrl, type UrlOptions, UsageError, urlStore } from "@requant/core";
import { withoutTrailing } from "@requant/core/text";
import { AwsClient } from "aws4fetch";
import { secretFrom } from "./secret.ts";

/** Where an `s3://` address points over HTTP, with a `fetch` that signs each request. */
interface S3Place {
  readonly base: string;
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
  const { base, file, fetch } = s3Place(argument, environment);
  return { store: urlStore(base, { ...options, fetch }), file };
}

function s3Place(argument: string, environment: NodeJS.ProcessEnv): S3Place {
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
  const isFile = /\.(gguf|safetensors|json)$/i.test(last);
  // a key is any text: an empty part is a part of it; only a slash at the end is none
  const folder = isFile || last === "" ? parts.slice(0, -1) : parts;
  const path = folder.map((part) => `${encodeURIComponent(part)}/`).join("");
  const region = environment["AWS_REGION"] ?? environment["AWS_DEFAULT_REGION"] ?? "us-east-1";
  const endpoint = environment["AWS_ENDPOINT_URL_S3"] ?? environment["AWS_ENDPOINT_URL"];
  return {
    base: `${bucketUrl(bucket, region, endpoint)}/${path}`,
    file: isFile ? last : undefined,
    fetch: signedFetch(region, environment),
  };
}

/** A bucket with dots in its name has no certificate of its own; other servers than Amazon's mostly want the path. */
function bucketUrl(bucket: string, region: string, endpoint: string | undefined): string {
  if (endpoint !== undefined && endpoint !== "") return `${withoutTrailing(endpoint, "/")}/${bucket}`;
  const host = `s3.${region}.amazonaws.com`;
  return bucket.includes(".") ? `https://${host}/${bucket}` : `https://${bucket}.${host}`;
}

/** Signs where there are credentials; a public bucket needs none. */
function signedFetch(region: string, environment: NodeJS.ProcessEnv): typeof globalThis.fetch {
  const accessKeyId = secretFrom(environment, "AWS_ACCESS_KEY_ID");
  const secretAccessKey = secretFrom(environment, "AWS_SECRET_ACCESS_KEY");
  const sessionToken = secretFrom(environment, "AWS_SESSION_TOKEN");
  const client =
    accessKeyId === undefined || secretAccessKey === undefined
      ? undefined
      : new AwsClient({
          accessKeyId,
          secretAccessKey,
          service: "s3",
          region,
          ...(sessionToken === undefined ? {} : { sessionToken }),
        });
  return async (input, init) => {
    const { signal, ...rest } = init ?? {};
    const request = client === undefined ? new Request(input, rest) : await client.sign(String(input), rest);
    // never followed: fetch would hand the session token, which is a header of its own, to whatever host is named
    const response = await globalThis.fetch(request, { redirect: "manual", signal: signal ?? null });
    if (response.status < 300 || response.status >= 400) return response;
    await response.body?.cancel();
    const elsewhere = response.headers.get("x-amz-bucket-region");
    throw new IoError(
      elsewhere === null
        ? `The S3 server sends the request elsewhere (${response.status}), which is not followed.`
        : `The bucket is in the region ${elsewhere.replace(/[^\w-]/g, "")}, not ${region}.`,
      { hint: "Set AWS_REGION to the bucket's region, or AWS_ENDPOINT_URL_S3 to its server." },
    );
  };
}
