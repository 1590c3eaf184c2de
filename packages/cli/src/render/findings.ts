import type { Finding } from "@requant/core";
import { bounded, boundedMessage } from "@requant/core/text";
import { type Colors, type CommonOptions, colorsFor, type Streams } from "../streams.ts";
import { spellOptions } from "./options.ts";
import { counted } from "./quantity.ts";

/** Shown one by one; of more there is only the number. */
const MOST_SHOWN = 20;

/** The message of a finding, or its hint, as people who type commands read it. */
export function findingText(text: string): string {
  return boundedMessage(spellOptions(text));
}

/** File, tensor and key of a finding, as far as its message does not name them: "(tensor a.b, a.key)", or nothing. */
export function findingPlace({ message, path, tensor, key }: Finding): string {
  const parts = [path, tensor === undefined ? undefined : `tensor ${tensor}`, key].flatMap((part, at) =>
    part === undefined || message.includes(at === 1 ? (tensor ?? "") : part) ? [] : [bounded(part)],
  );
  return parts.length === 0 ? "" : `(${parts.join(", ")})`;
}

/** "2 errors, 1 warning". */
export function countedFindings(findings: readonly Finding[]): string {
  const count = (severity: Finding["severity"]): number =>
    findings.filter((found) => found.severity === severity).length;
  return `${counted(count("error"), "error")}, ${counted(count("warning"), "warning")}`;
}

/** The colour of each severity. */
export function severityColor(severity: Finding["severity"], colors: Colors): (text: string) => string {
  return { error: colors.red, warning: colors.yellow, note: colors.cyan }[severity];
}

/** One finding on one line: "warning: The weight … (tensor a.b)". */
export function findingLine(label: string, finding: Finding): string {
  const place = findingPlace(finding);
  return `${label}: ${findingText(finding.message)}${place === "" ? "" : ` ${place}`}`;
}

/** `warning: …` lines on stderr; nothing under `--json`, where they are in the document, or `--quiet`. */
export function showWarnings(warnings: readonly Finding[], streams: Streams, options: CommonOptions): void {
  if (options.json || options.quiet) return;
  const label = colorsFor(streams.err).yellow("warning");
  for (const warning of warnings.slice(0, MOST_SHOWN)) {
    streams.err.write(`${findingLine(label, warning)}\n`);
  }
  const more = warnings.length - MOST_SHOWN;
  if (more > 0) streams.err.write(`${label}: ${more} more are not shown; requant doctor lists them.\n`);
}
