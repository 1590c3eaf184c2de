/** Warnings of a plan with several targets, as a person reads them. */
import { type Plan, plansByTarget } from "@requant/convert";
import type { Finding } from "@requant/core";

/** Each warning once: as it is where all targets have it, and else with the names of those that have it. */
export function namedWarnings(plan: Plan, byTarget: readonly (readonly Finding[])[]): Finding[] {
  const names = plansByTarget(plan).map(({ target }) => target.text);
  const found = new Map<string, { readonly warning: Finding; readonly of: Set<string> }>();
  for (const [index, warnings] of byTarget.entries()) {
    for (const warning of warnings) {
      const key = JSON.stringify(warning);
      const known = found.get(key) ?? { warning, of: new Set() };
      found.set(key, known);
      known.of.add(names[index] ?? "");
    }
  }
  return [...found.values()].map(({ warning, of }) =>
    of.size === names.length ? warning : { ...warning, message: `${[...of].join(", ")}: ${warning.message}` },
  );
}
