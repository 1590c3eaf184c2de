/** From a model and several targets to one plan. */
import { UsageError } from "@requant/core";
import type { Model } from "../../model/model.ts";
import type { Format } from "../format.ts";
import { planConversion } from "../make-plan.ts";
import type { Plan, Target } from "../plan.ts";
import type { PlanOptions } from "../plan-options.ts";
import { targetFormats } from "../target-formats.ts";
import { joinPlans } from "./join-plans.ts";

/**
 * Plans each target as `planConversion` does, and joins the plans: `runPlan` then reads and decodes the source once for all targets, as
 * far as they take the same rows of it. GGUF files lie side by side, named by the model and their type; a target that is a
 * folder of files gets a folder named by the target. With one target the plan is that of `planConversion`.
 * @throws UsageError for an option that one of the targets does not take, and where two targets would write the same file;
 *   ConversionError as `planConversion`
 * @example
 * import { openModel, parseTargets, planConversions, runPlan } from "@requant/convert";
 * import { directoryStore } from "@requant/core/node";
 *
 * const model = await openModel({ store: directoryStore("models/kjv") });
 * const plan = await planConversions(model, parseTargets("gguf:q4_k_m,q8_0"));
 * await runPlan(plan, model, directoryStore("out"));
 * await model.close();
 */
export async function planConversions(
  model: Model,
  targets: readonly Target[],
  options: PlanOptions = {},
  list: readonly Format[] = targetFormats,
): Promise<Plan> {
  if (targets.length > 1 && options.outputName !== undefined) {
    throw new UsageError("`outputName` names one file, and several targets make several.", {
      hint: "Leave it out: the files are named by the model and their type.",
    });
  }
  const plans: Plan[] = [];
  for (const target of targets) plans.push(await planConversion(model, target, options, list));
  return joinPlans(plans);
}
