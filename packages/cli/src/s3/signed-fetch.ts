import { IoError } from "@requant/core";
import { AwsClient } from "aws4fetch";
import { secretFrom } from "../secret.ts";

/** Signs where there are credentials; a public bucket needs none. */
export function signedFetch(region: string, environment: NodeJS.ProcessEnv): typeof globalThis.fetch {
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
