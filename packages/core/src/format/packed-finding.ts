import type { Finding } from "../finding.ts";

/** A finding about one packed weight whose configuration and tensors disagree. `message` is one sentence. */
export function packedFinding(message: string): Finding {
  return { code: "packed-weights", severity: "warning", message };
}
