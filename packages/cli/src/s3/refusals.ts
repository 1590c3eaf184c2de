import { IoError } from "@requant/core";
import { bounded } from "@requant/core/text";

/** Why a server refuses a request: the codes of the Amazon S3 API Reference, "List of error codes". */
interface Refusal {
  readonly message: string;
  readonly hint: string;
}

const CHECK_KEYS = "Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN.";
const wrongKeys: Refusal = { message: "The S3 server does not accept the credentials.", hint: CHECK_KEYS };

/** Stands in a hint for how the user goes on. */
const AGAIN = "%again%";

const refusals: Readonly<Record<string, Refusal>> = {
  AccessDenied: {
    message: "The S3 server does not allow this.",
    hint: `${CHECK_KEYS} Uploads need the permissions to put, get and delete objects, to list the bucket, and to list and abort the parts of uploads.`,
  },
  InvalidAccessKeyId: wrongKeys,
  SignatureDoesNotMatch: wrongKeys,
  ExpiredToken: {
    message: "The session token has expired.",
    hint: `Get new credentials, and ${AGAIN}.`,
  },
  NoSuchBucket: {
    message: "There is no such bucket.",
    hint: "Check the name, or make the bucket first: Requant makes none.",
  },
  NoSuchUpload: {
    message: "The server has dropped the upload before it was complete.",
    hint: "Start over without resuming, or save a new plan. A rule of the bucket may remove unfinished uploads.",
  },
  EntityTooLarge: {
    message: "The server does not take an object of this size.",
    hint: "Split the output into smaller files with --shard-size.",
  },
  QuotaExceeded: { message: "The bucket is full.", hint: `Free some space, and ${AGAIN}.` },
};

/** Codes of failures that the same request may not meet again (the server received something else than was sent). */
export const TRANSIENT_CODES: ReadonlySet<string> = new Set([
  "BadDigest",
  "InternalError",
  "RequestTimeout",
  "ServiceUnavailable",
  "SlowDown",
  "XAmzContentSHA256Mismatch",
]);

/** What a server has refused. */
interface Refused {
  readonly path: string;
  readonly status: number;
  readonly code: string | undefined;
  /** The server's own. */
  readonly message: string | undefined;
  /** How the user goes on. */
  readonly again: string;
}

/** The refusal of a request that reads: there is no text with it where only headers are asked for. */
export function readingRefused(path: string, status: number): IoError {
  return new IoError(`The S3 server refuses access (${status}).`, {
    path,
    hint: `${CHECK_KEYS} Reading needs the permissions to get objects and to list the bucket.`,
  });
}

/** The refusal of a request, in words. What the server says is shown where its code is not known. */
export function s3Refusal({ path, status, code, message, again }: Refused): IoError {
  const known = code !== undefined && Object.hasOwn(refusals, code) ? refusals[code] : undefined;
  const reason = code === undefined ? {} : { reason: code };
  if (known !== undefined)
    return new IoError(known.message, { path, hint: known.hint.replace(AGAIN, again), ...reason });
  if (status === 401 || status === 403) {
    return new IoError(`The S3 server refuses access (${status}).`, { path, hint: CHECK_KEYS, ...reason });
  }
  const said = bounded(message ?? code ?? "no reason", 200);
  return new IoError(`The S3 server refuses the request (${status}): ${said}.`, {
    path,
    hint: "Check the address and the settings of the server (AWS_ENDPOINT_URL_S3, AWS_REGION).",
    ...reason,
  });
}
