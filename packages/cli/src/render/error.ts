import { bounded, boundedMessage } from "@requant/core/text";
import { colorsFor, type Streams } from "../streams.ts";
import { printableJson } from "./text.ts";

/** Longest path or tensor name that is printed with a message; the error document has all of it. */
const LONGEST_PLACE = 500;

/** An error on stderr: one line of JSON for scripts; for people a sentence and the way out. */
export function showError(streams: Streams, json: boolean, error: Readonly<Record<string, unknown>>): void {
  if (json) {
    streams.err.write(`${printableJson(JSON.stringify({ error }))}\n`);
    return;
  }
  const place = [
    error["path"],
    error["tensor"] && `tensor ${error["tensor"]}`,
    error["offset"] !== undefined && `offset ${error["offset"]}`,
  ]
    .filter((part) => typeof part === "string" && part !== "" && !String(error["message"]).includes(part))
    .map((part) => bounded(String(part), LONGEST_PLACE));
  const colors = colorsFor(streams.err);
  streams.err.write(
    `${colors.red("requant:")} ${boundedMessage(String(error["message"]))}${place.length > 0 ? ` (${place.join(", ")})` : ""}\n`,
  );
  if (typeof error["hint"] === "string") streams.err.write(`  ${boundedMessage(error["hint"])}\n`);
}
