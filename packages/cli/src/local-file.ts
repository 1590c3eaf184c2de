/** Files that a command writes on this machine, and nowhere else. */
import { shownUrl, UsageError } from "@requant/core";
import { SCHEME } from "./locate.ts";

/** Addresses without slashes: as a path they would make a file with such a name. */
const SHORT_ADDRESS = /^(?:hf|ollama|lmstudio):/i;

/** @throws UsageError for an address, which would become a folder of this machine that is named so */
export function refuseAddress(argument: string, option: string): void {
  if (!isAddress(argument)) return;
  throw new UsageError(`${shownUrl(argument)}: ${option} writes a file of this machine, not to an address.`, {
    hint: `Give ${option} the path of a file, and copy the file to the address when it is made.`,
  });
}

export function isAddress(argument: string): boolean {
  return SCHEME.test(argument) || SHORT_ADDRESS.test(argument);
}
