import type { Severity } from "@requant/core";

/** What a code of a finding means. */
export interface FindingKind {
  readonly severity: Severity;
  /** What was found, one sentence. */
  readonly meaning: string;
  /** What to do about it, where the finding itself knows nothing better. */
  readonly hint: string;
}
