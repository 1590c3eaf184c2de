import { isCodecError } from "@requant/core";
import type { Refusal } from "./protocol.ts";

/** Any error as plain data for the page. */
export function refusalOf(error: unknown): Refusal {
  const isStopped = error instanceof Error && error.name === "AbortError";
  const message = error instanceof Error ? error.message : String(error);
  const base = { code: "failed", severity: "error", isStopped, message } as const;
  if (!isCodecError(error)) return { ...base, kind: undefined };
  const { code, hint, path, tensor, offset, index } = error;
  const place = Object.fromEntries(
    Object.entries({ hint, path, tensor, offset, index }).filter(([, value]) => value !== undefined),
  );
  return { ...base, kind: code, ...place };
}
