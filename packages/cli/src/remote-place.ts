/** Which addresses can be written to. */
import { shownUrl, UsageError } from "@requant/core";
import type { RemotePlace } from "./remote-output.ts";

interface Scheme {
  readonly prefix: RegExp;
  open(argument: string, singleFile: boolean, environment: NodeJS.ProcessEnv): Promise<RemotePlace>;
}

/** Each place loads what it needs. */
const schemes: readonly Scheme[] = [
  {
    prefix: /^s3:\/\//,
    open: async (...place) => (await import("./s3/output.ts")).s3Output(...place),
  },
];

/** Undefined for a path. @throws UsageError for an address that nothing can be written to */
export async function remotePlace(
  argument: string,
  singleFile: boolean,
  environment: NodeJS.ProcessEnv,
): Promise<RemotePlace | undefined> {
  const scheme = schemes.find(({ prefix }) => prefix.test(argument));
  if (scheme !== undefined) return scheme.open(argument, singleFile, environment);
  const [, other] = /^([a-z][a-z0-9+.-]{1,20}):\/\//i.exec(argument) ?? [];
  if (other === undefined) return undefined;
  throw new UsageError(`${shownUrl(argument)}: nothing can be written to addresses with ${other}://.`, {
    hint: "Give the path of a file or a directory, s3://bucket/folder, or - for standard output.",
  });
}
