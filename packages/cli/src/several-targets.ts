/** `--to` with several targets: how they are planned, and where they go. */
import {
  type Model,
  type Plan,
  type PlanOptions,
  planConversions,
  plansByTarget,
  type Target,
  wantsScales,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { type OutputKind, type OutputPlace, outputPlace } from "./output.ts";

/** The place of what these targets make. */
export function placeOf(argument: string, targets: readonly Target[]): Promise<OutputPlace> {
  return outputPlace(argument, outputKind(targets));
}

function outputKind([first, ...others]: readonly Target[]): OutputKind {
  if (others.length > 0) return "several";
  return first?.format === "gguf" ? "file" : "directory";
}

/**
 * One plan for all targets.
 * @throws UsageError where scales would be searched for one of several: the others would be made of a model with these scales
 */
export async function planTargets(
  model: Model,
  targets: readonly Target[],
  options: PlanOptions,
): Promise<Plan> {
  const plan = await planConversions(model, targets, options);
  if (plan.targets === undefined) return plan;
  const scaled = plansByTarget(plan).find((own) => wantsScales(own));
  if (scaled === undefined) return plan;
  throw new UsageError(
    `A calibrated ${scaled.target.text} searches scales that change the model, so it is not made together with other targets.`,
    { hint: `Convert to ${scaled.target.text} by itself.` },
  );
}
