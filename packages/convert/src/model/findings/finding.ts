/** Every code of a finding with what it means and the way out, and how findings are made from them. */
import type { Finding, FindingPlace } from "@requant/core";
import { boundedMessage } from "@requant/core/text";
import { type ContentFindingCode, contentKinds } from "./content-kinds.ts";
import { type FileFindingCode, fileKinds } from "./file-kinds.ts";
import type { FindingKind } from "./kind.ts";
import { type PlanFindingCode, planKinds, type RunFindingCode, runKinds } from "./work-kinds.ts";

/** A contract with scripts: codes are added, never changed. */
export type FindingCode = FileFindingCode | ContentFindingCode | PlanFindingCode | RunFindingCode;

/**
 * Severity, meaning and hint of each code; `docs/findings.md` is written from it. Those of comparisons are in `diagnoses`.
 */
export const findingKinds: Readonly<Record<FindingCode, FindingKind>> = {
  ...fileKinds,
  ...contentKinds,
  ...planKinds,
  ...runKinds,
};

/** A finding of a known code, with the severity and, unless it has a better one, the hint of its kind. */
export function finding(
  code: FindingCode,
  message: string,
  place: FindingPlace = {},
  hint?: string,
): Finding<FindingCode> {
  return inOrder({
    code,
    severity: findingKinds[code].severity,
    message,
    ...place,
    hint: hint ?? findingKinds[code].hint,
  });
}

/** A finding of a package below: with the hint of its kind where it has none, and `path` where it names no file. */
export function completeFinding(found: Finding, path?: string): Finding {
  const { code } = found;
  const known = isFindingCode(code) ? findingKinds[code].hint : undefined;
  return inOrder({ ...found, path: found.path ?? path, hint: found.hint ?? known });
}

/** Known fields in one order, so that equal findings are equal as JSON; the message safe to print. */
function inOrder<Code extends string>(found: Finding<Code>): Finding<Code> {
  const { code, severity, message, path, tensor, key, offset, index, hint } = found;
  return {
    code,
    severity,
    message: boundedMessage(message),
    ...(path === undefined ? {} : { path }),
    ...(tensor === undefined ? {} : { tensor }),
    ...(key === undefined ? {} : { key }),
    ...(offset === undefined ? {} : { offset }),
    ...(index === undefined ? {} : { index }),
    ...(hint === undefined ? {} : { hint }),
  };
}

/** True for a word that is a code: the reasons of errors mostly are. */
export function isFindingCode(word: string | undefined): word is FindingCode {
  return word !== undefined && Object.hasOwn(findingKinds, word);
}

/** The findings that are not only notes. */
export function warningsOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity !== "note");
}

/** The findings of which nothing is wrong. */
export function notesOf(findings: readonly Finding[]): Finding[] {
  return findings.filter(({ severity }) => severity === "note");
}
