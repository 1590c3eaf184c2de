/** The way out of an error whose own message knows none. */
import { type ErrorCode, isCodecError } from "@requant/core";
import { findingOfError } from "./doctor/from-error.ts";

/** Faults of files, which have a remedy by their kind; what was asked for has one of its own or none. */
const OF_FILES: readonly ErrorCode[] = ["FORMAT", "LIMIT", "UNSUPPORTED", "IO"];

/** The error's own hint, or that of the finding that `examineModel` would make of it; undefined where there is none. */
export function remedyOf(error: unknown): string | undefined {
  if (!isCodecError(error)) return undefined;
  return error.hint ?? (OF_FILES.includes(error.code) ? findingOfError(error).hint : undefined);
}
