/** Which options a file of defaults may set. */
import type { Owner } from "./places.ts";

/** Belong to one piece of work, or change what scripts read: `requant inspect --json` must mean the same everywhere. */
const NEVER: ReadonlySet<string> = new Set(
  "json debug config plan dry-run plan-out resume again output out report set base like merge id part rows include-weights exclude-weights".split(
    " ",
  ),
);

/**
 * A folder may hold the file of a stranger, so it must not replace files, open the machine to a network, send
 * anything to a place, leave out a check or read a file into an output.
 */
const USER_ONLY: ReadonlySet<string> = new Set(
  "overwrite force host port stage private redis verify imatrix calibrate text cache allow-non-finite".split(
    " ",
  ),
);

/** Why an option cannot stand in a file; undefined where it can. */
export function whyRefused(option: string, owner: Owner): string | undefined {
  if (NEVER.has(option)) return "belongs to one command line";
  if (owner === "project" && USER_ONLY.has(option)) return "may stand in the user's file only";
  return undefined;
}

/** Variables of the environment that say the same as an option, and win over files. */
export const variableOf: Readonly<Record<string, string>> = { redis: "REDIS_URL" };

/** Names that secrets have. */
export function isNameOfSecret(key: string): boolean {
  return /token|secret|passw|api[-_]?key|access[-_]?key|credential/i.test(key);
}
