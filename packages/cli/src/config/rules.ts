/** Which options a file of defaults may set. */
import { specialTokens } from "../metadata-options.ts";
import type { Owner } from "./places.ts";

const words = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/**
 * Belong to one piece of work, or change what scripts read: `requant inspect --json` must mean the same everywhere. Nobody wants
 * a command that always removes its parts, or edits each file in one way.
 */
const NEVER: ReadonlySet<string> = new Set([
  ...words(`
    json debug config plan dry-run plan-out resume again abort output out report set base like merge id part rows
    include-weights exclude-weights parameters
  `),
  ...specialTokens.map(([option]) => option),
]);

/**
 * What the file of a folder may set. It may be a stranger's, so a new option is not among these unless it does no harm: it
 * replaces no files, opens the machine to no network, sends nothing to a place, leaves out no check, reads no file into an output,
 * and hides nothing.
 */
const HARMLESS: ReadonlySet<string> = words(`
  to exact grids pure tensor output-tensor token-embedding leave-output keep-split dtype target-bpw target-size
  shard-size max-size max-tensors jobs memory window samples seed slices parts context kv vram tensors metadata
`);

/** Why an option cannot stand in a file, and what to do; undefined where it can. */
export function whyRefused(
  option: string,
  owner: Owner,
): { readonly why: string; readonly hint: string } | undefined {
  if (NEVER.has(option)) {
    return {
      why: "belongs to one command line",
      hint: `Take it out, and give --${option} where it is wanted: requant help config.`,
    };
  }
  if (owner === "user" || HARMLESS.has(option)) return undefined;
  return {
    why: "may stand in the user's file only",
    hint: "Move it there, or give it on the command line: requant help config.",
  };
}

/** Variables of the environment that say the same as an option, and win over files. */
export const variableOf: Readonly<Record<string, string>> = { redis: "REDIS_URL" };

/** Names that secrets have. */
export function isNameOfSecret(key: string): boolean {
  return /token|secret|passw|api[-_]?key|access[-_]?key|credential/i.test(key);
}
