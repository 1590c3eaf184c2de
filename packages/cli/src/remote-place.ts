/** Which addresses can be written to. */
import { shownUrl, UsageError } from "@requant/core";
import type { AskedPlace, RemoteOptions, RemotePlace } from "./remote-output.ts";

interface Scheme {
  readonly prefix: RegExp;
  /** Whether the place takes `RemoteOptions`. */
  readonly hasOptions: boolean;
  open(asked: AskedPlace): Promise<RemotePlace>;
}

/** Each place loads what it needs. */
const schemes: readonly Scheme[] = [
  {
    prefix: /^s3:\/\//,
    hasOptions: false,
    open: async (asked) => (await import("./s3/output.ts")).s3Output(asked),
  },
  {
    prefix: /^hf:/i,
    hasOptions: true,
    open: async (asked) => (await import("./hub/output/place.ts")).hubOutput(asked),
  },
];

/** Undefined for a path. @throws UsageError for an address that nothing can be written to, and for options of other places */
export async function remotePlace(asked: AskedPlace): Promise<RemotePlace | undefined> {
  const { argument, options } = asked;
  const scheme = schemes.find(({ prefix }) => prefix.test(argument));
  if (scheme?.hasOptions !== true) refuseOptions(options);
  if (scheme !== undefined) return scheme.open(asked);
  const [, other] = /^([a-z][a-z0-9+.-]{1,20}):\/\//i.exec(argument) ?? [];
  if (other === undefined) return undefined;
  throw new UsageError(`${shownUrl(argument)}: nothing can be written to addresses with ${other}://.`, {
    hint: "Give the path of a file or a directory, hf:owner/repo, s3://bucket/folder, or - for standard output.",
  });
}

function refuseOptions({ isPrivate, stage }: RemoteOptions): void {
  const given = isPrivate === true ? "--private" : stage === undefined ? undefined : "--stage";
  if (given === undefined) return;
  throw new UsageError(`The option ${given} is for outputs on the hub.`, {
    hint: "Leave it out, or give hf:owner/repo as the output.",
  });
}
