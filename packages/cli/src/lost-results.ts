import { asIoError } from "@requant/core/node";
import { exitStatus } from "./exit.ts";
import { printableJson } from "./render/text.ts";

/** Standard output could not take the results, such as a file on a full disk: a status of 0 would be a lie. */
export function lostResults(error: Error, json: boolean): { status: number; text: string } {
  const { message, hint = "Send the output elsewhere." } = asIoError(error, "", "write", "results");
  return {
    status: exitStatus.io,
    text: json
      ? `${printableJson(JSON.stringify({ error: { code: "IO", message, hint } }))}\n`
      : `requant: ${message}\n  ${hint}\n`,
  };
}
