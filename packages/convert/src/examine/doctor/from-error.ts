import { type CodecError, type Finding, isCodecError } from "@requant/core";
import { type FindingCode, finding, isFindingCode } from "../../model/findings/finding.ts";

const byErrorCode: Readonly<Record<CodecError["code"], FindingCode>> = {
  FORMAT: "format",
  LIMIT: "limit",
  UNSUPPORTED: "unsupported",
  IO: "unreadable",
  CONVERSION: "unknown-architecture",
  USAGE: "format",
};

/** Vulnerabilities of other readers that had this shape, where the fault's reason tells. */
const advisories: Readonly<Record<string, string>> = {
  "impossible-count":
    "CVE-2024-21825, CVE-2024-21836, CVE-2024-23496, CVE-2024-23605, CVE-2024-25664 to CVE-2024-25668",
  "impossible-size": "CVE-2025-53630, CVE-2026-27940, CVE-2026-33298",
  "too-many-dimensions": "CVE-2024-21802",
};

/**
 * What an error says, as a finding. `general`: the code where the error's own is too general.
 * @throws the error itself when it is not ours: a fault of this program, or an interruption
 */
export function findingOfError(error: unknown, file?: string, general?: FindingCode): Finding {
  if (!isCodecError(error)) throw error;
  const { code, message, hint, path, tensor, offset, index, reason } = error;
  const place = { path: file ?? nameOf(path), tensor, offset, index };
  const own = isFindingCode(reason) ? reason : (general ?? byFile(code, place.path) ?? byErrorCode[code]);
  const known = reason === undefined ? undefined : advisories[reason];
  return finding(
    own,
    known === undefined ? message : `${message} (the shape of ${known}).`,
    place,
    isFindingCode(reason) ? undefined : hint,
  );
}

/** A side file that is wrong is wrong in a way of its own. */
function byFile(code: CodecError["code"], file: string | undefined): FindingCode | undefined {
  if (code !== "FORMAT" || file === undefined) return undefined;
  if (file === "config.json") return "config-invalid";
  return /^tokenizer/.test(file) ? "tokenizer-invalid" : undefined;
}

/** The last part of a path: the name of a file in its folder. */
export function nameOf(path: string | undefined): string | undefined {
  return path?.split(/[/\\]/).at(-1);
}
