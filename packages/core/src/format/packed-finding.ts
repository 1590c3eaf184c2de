import type { Finding } from "../finding.ts";

/** A doubt about one packed weight: what its configuration and its tensors disagree about. `message`: one sentence. */
export function packedFinding(message: string): Finding {
  return { code: "packed-weights", severity: "warning", message };
}
