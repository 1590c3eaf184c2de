/** Where the configuration and the tensors of a weight disagree. */
import type { Finding } from "@requant/core";
import { packedFinding } from "@requant/core/format";
import type { ModuleContext } from "./module-context.ts";

interface Measured {
  readonly bits: number;
  /** No zero points are stored. */
  readonly symmetric: boolean;
}

export function claimFindings(
  { claims, version, leftOver }: Pick<ModuleContext, "claims" | "version" | "leftOver">,
  { bits, symmetric }: Measured,
): Finding[] {
  const findings: Finding[] = [];
  if (leftOver.length > 0) {
    findings.push({
      code: "packed-weights",
      severity: "note",
      message: `Scales of activations change no weight, and other formats do not hold them: ${leftOver.map(({ suffix }) => suffix).join(", ")}.`,
    });
  }
  if (claims !== undefined && claims.bits !== bits) {
    findings.push(packedFinding(`The configuration says ${claims.bits} bits; the tensors hold ${bits}.`));
  }
  if (claims?.symmetric === true && !symmetric) {
    findings.push(
      packedFinding("The configuration says symmetric; by the tensors the weights are asymmetric."),
    );
  }
  if (claims?.symmetric === false && symmetric && leavesOutZeros(version)) {
    findings.push(
      packedFinding(
        "The configuration says asymmetric, and the part weight_zero_point is missing; compressed-tensors before 0.9.4 left it out where all zero points were 0, so they are read as 0.",
      ),
    );
  }
  return findings;
}

/** A part that the configuration promises: without it, every weight would be read wrongly. */
export function contradictionOf(
  { claims, version }: Pick<ModuleContext, "claims" | "version">,
  { symmetric, grouping }: { readonly symmetric: boolean; readonly grouping: "any" | "sequential" },
): { readonly contradiction?: string } {
  if (claims?.symmetric === false && symmetric && !leavesOutZeros(version)) {
    return {
      contradiction: "The configuration says asymmetric, and the part weight_zero_point is missing.",
    };
  }
  if (claims?.actorder === "group" && grouping === "sequential") {
    return {
      contradiction: 'The configuration says actorder "group", and the part weight_g_idx is missing.',
    };
  }
  return {};
}

/** compressed-tensors before 0.9.4 stored no zero points that are all 0 (vllm-project/compressed-tensors, #225 and #296). */
function leavesOutZeros(version: string | undefined): boolean {
  if (version === undefined) return true;
  const [major = 0, minor = 0, patch = 0] = version.slice(0, 32).split(".").map(Number);
  return major === 0 && (minor < 9 || (minor === 9 && patch < 4));
}
