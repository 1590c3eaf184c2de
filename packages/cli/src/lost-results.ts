import { boundedMessage } from "@requant/core/text";
import { exitStatus } from "./exit.ts";
import { printableJson } from "./render/text.ts";

/** Standard output could not take the results, such as a file on a full disk: a status of 0 would be a lie. */
export function lostResults(error: Error, json: boolean): { status: number; text: string } {
  const message = `the results cannot be written: ${error.message}`;
  const hint = "Free some space, or send the output elsewhere.";
  return {
    status: exitStatus.io,
    text: json
      ? `${printableJson(JSON.stringify({ error: { code: "IO", message, hint } }))}\n`
      : `requant: ${boundedMessage(message)}\n  ${hint}\n`,
  };
}
