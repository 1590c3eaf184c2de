import { join } from "node:path";
import { UsageError } from "@requant/core";
import type { Location } from "../location.ts";

/** @throws UsageError for an address with a password or a query: what stores it would store a secret */
export function refuseSecrets(address: string): void {
  if (!/^https?:/i.test(address) || !URL.canParse(address)) return;
  const { username, password, search } = new URL(address);
  if (username === "" && password === "" && search === "") return;
  throw new UsageError("The address has a password or a query, which would be stored.", {
    hint: "Give an address without them: machines that read it have their own way in.",
  });
}

/** A path from the root, or the address as the user wrote it. @throws UsageError for an address that may have a secret in it */
export function savedAddress(argument: string, { directory, file }: Location): string {
  if (directory !== undefined) return file === undefined ? directory : join(directory, file);
  refuseSecrets(argument);
  return argument;
}
