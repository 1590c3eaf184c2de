import type { ModelWarning } from "@requant/convert";
import { bounded, boundedMessage } from "@requant/core/text";
import type { CommonOptions, Streams } from "../streams.ts";
import { spellOptions } from "./options.ts";

/** Shown one by one; of more there is only the number. */
const MOST_SHOWN = 20;

/** `warning: …` lines on stderr; nothing under `--json`, where they are in the document, or `--quiet`. */
export function showWarnings(
  warnings: readonly ModelWarning[],
  streams: Streams,
  options: CommonOptions,
): void {
  if (options.json || options.quiet) return;
  for (const { message, tensor } of warnings.slice(0, MOST_SHOWN)) {
    const place = tensor === undefined || message.includes(tensor) ? "" : ` (tensor ${bounded(tensor)})`;
    streams.err.write(`warning: ${boundedMessage(spellOptions(message))}${place}\n`);
  }
  const more = warnings.length - MOST_SHOWN;
  if (more > 0) streams.err.write(`warning: and ${more} more; see requant doctor\n`);
}

/** The same warning of two models, or of two looks at one, once; safe to print, as the messages of errors are. */
export function distinctWarnings(warnings: readonly ModelWarning[]): ModelWarning[] {
  const distinct = new Map(warnings.map((warning) => [JSON.stringify(warning), warning]));
  return [...distinct.values()].map((warning) => ({ ...warning, message: boundedMessage(warning.message) }));
}
