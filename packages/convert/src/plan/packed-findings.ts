/** What a plan for a packed directory tells beside its tensors. */
import type { Finding } from "@requant/core";
import { addToGroup } from "../model/add-to-group.ts";
import { finding } from "../model/findings/finding.ts";
import type { PlanTensor } from "./plan.ts";
import { guideNames } from "./way.ts";

/** Says once that new codes are rounded to nearest, where the format's own tools do more. */
export function roundingFindings(
  name: string,
  rounding: string | undefined,
  tensors: readonly PlanTensor[],
): Finding[] {
  const count = tensors.filter(
    (tensor) =>
      tensor.fidelity === "requantized" &&
      tensor.linear !== undefined &&
      guideNames(tensor).statistics === undefined,
  ).length;
  if (rounding === undefined || count === 0) return [];
  const weights = count === 1 ? "1 weight gets new codes" : `${count} weights get new codes`;
  return [finding("rounded-to-nearest", [`${weights} as ${name}.`, rounding].join(" "))];
}

/** Reasons that were error messages are sentences. */
export function withoutStop(text: string): string {
  return text.replace(/\.$/, "");
}

/** One for each reason why linear layers are not packed. */
export function leftFindings(left: ReadonlyMap<string, string>): Finding[] {
  const byReason = new Map<string, string[]>();
  for (const [module, reason] of left) addToGroup(byReason, reason, module);
  return [...byReason].map(([reason, modules]) =>
    finding(
      "left-in-floats",
      `${modules.length === 1 ? "1 linear layer stays" : `${modules.length} linear layers stay`} in floats, the first is ${modules[0]}: ${withoutStop(reason)}.`,
    ),
  );
}
