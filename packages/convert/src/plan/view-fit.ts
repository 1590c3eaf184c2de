/** Whether a layout holds weights, by the facts of their views. */
import {
  type Misfit,
  roundingAllowed,
  type ViewFacts,
  type ViewRequirement,
  viewMisfit,
} from "@requant/core/view";

/** What a layout does to weights of these views. Undefined: it cannot hold their codes. */
export type ViewFit =
  | { readonly fidelity: "exact" }
  | { readonly fidelity: "rounded"; readonly misfit: Misfit }
  | { readonly fidelity: undefined; readonly misfit: Misfit };

/** Whether a layout holds weights whose rows come from views with these facts. */
export function viewFit(facts: readonly ViewFacts[], requirement: ViewRequirement): ViewFit {
  let rounded: Misfit | undefined;
  for (const one of facts) {
    const misfit = storedMisfit(one) ?? viewMisfit(one, requirement);
    if (misfit === undefined) continue;
    if (viewMisfit(one, roundingAllowed(requirement)) !== undefined) return { fidelity: undefined, misfit };
    rounded ??= misfit;
  }
  return rounded === undefined ? { fidelity: "exact" } : { fidelity: "rounded", misfit: rounded };
}

/** A view that says a little less than the file: its values are not quite scale × (code − zero). */
function storedMisfit(facts: ViewFacts): Misfit | undefined {
  if (facts.storedValues !== undefined) {
    const type = facts.storedValues.toLowerCase();
    return {
      reason: `the file stores scale × code rounded to ${type}; the codes and scales behind it are kept, which moves each value by at most half a ${type} step`,
      hint: `${facts.storedValues} holds the stored values exactly. With \`grids\` in place of \`exact\` the codes and scales are kept, and a reader that rounds each product to ${type} computes the stored values.`,
    };
  }
  if (facts.storedOffsets === "integer") return undefined;
  return {
    reason: "the file stores scale × zero point rounded to f16; the codes and zero points behind it are kept",
    hint: "F32 holds the stored values exactly.",
  };
}
