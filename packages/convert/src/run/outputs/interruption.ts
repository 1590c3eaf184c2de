import { isCodecError } from "@requant/core";

/** True for failures after which a later run can continue: neither the plan nor the source caused them. */
export function isInterruption(error: unknown): boolean {
  return isCodecError(error) ? error.code === "IO" : error instanceof Error && error.name === "AbortError";
}
