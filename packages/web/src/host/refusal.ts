import { isCodecError } from "@requant/core";
import type { Refusal } from "./protocol.ts";

/** In place of a code, for an error that is a fault of this program. */
const FAULT = "fault";

/** Any error as plain data for the page. */
export function refusalOf(error: unknown): Refusal {
  const isStopped = error instanceof Error && error.name === "AbortError";
  const message = error instanceof Error ? error.message : String(error);
  const base = { severity: "error", isStopped, message } as const;
  if (!isCodecError(error)) return { ...base, code: FAULT, kind: undefined };
  const { code, reason, hint, path, tensor, offset, index } = error;
  const place = Object.fromEntries(
    Object.entries({ hint, path, tensor, offset, index }).filter(([, value]) => value !== undefined),
  );
  return { ...base, code: reason ?? code.toLowerCase(), kind: code, ...place };
}
