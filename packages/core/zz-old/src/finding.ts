import type { ErrorPlace } from "./errors.ts";

/** An error makes a model unreadable or its results wrong; a warning may do so; a note only informs. */
export type Severity = "error" | "warning" | "note";

/** Where a finding is. Every field is optional; give all that are known. */
export interface FindingPlace extends Pick<ErrorPlace, "path" | "tensor" | "offset" | "index"> {
  /** Metadata or configuration key. */
  readonly key?: string | undefined;
}

/**
 * Something to tell the user about a model, a plan or a run: plain JSON, and the same shape wherever it comes from. It never
 * stops the work; what stops the work is a `CodecError`. Warnings are the findings whose severity is not "note".
 *
 * `Code` is a word for programs, which never changes its meaning; `docs/findings.md` lists all codes.
 */
export interface Finding<Code extends string = string> extends FindingPlace {
  readonly code: Code;
  readonly severity: Severity;
  /** One sentence for people, which names library options in backticks. */
  readonly message: string;
  /** What to do about it, one imperative sentence. */
  readonly hint?: string | undefined;
}
