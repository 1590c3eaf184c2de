/** Whether a weight keeps its integers on the way to a layout, and if not, why, in words. */
import {
  type GridFacts,
  type GridRequirement,
  gridMisfit,
  type Misfit,
  roundingAllowed,
} from "@requant/core/view";

export type GridWay =
  | { readonly fidelity: "exact" }
  | { readonly fidelity: "rounded"; readonly misfit: Misfit }
  | { readonly fidelity: undefined; readonly misfit: Misfit };

/** The best way for a weight whose rows come from grids with these facts. */
export function gridWay(facts: readonly GridFacts[], requirement: GridRequirement): GridWay {
  let rounded: Misfit | undefined;
  for (const one of facts) {
    const misfit = storedMisfit(one) ?? gridMisfit(one, requirement);
    if (misfit === undefined) continue;
    if (gridMisfit(one, roundingAllowed(requirement)) !== undefined) return { fidelity: undefined, misfit };
    rounded ??= misfit;
  }
  return rounded === undefined ? { fidelity: "exact" } : { fidelity: "rounded", misfit: rounded };
}

/** A grid that says a little less than the file: its values are not quite scale × (code − zero). */
function storedMisfit(facts: GridFacts): Misfit | undefined {
  if (facts.storedOffsets === "integer") return undefined;
  return {
    reason: "the file stores scale × zero point rounded to f16; the codes and zero points behind it are kept",
    hint: "F32 holds the stored values exactly.",
  };
}
