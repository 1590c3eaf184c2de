/** Composes two plans: inputs that are themselves planned tensors are replaced by stored tensors. */
import { ConversionError } from "@requant/core";
import type { JoinedInput, StoredInput, WeightInput, WeightPlan } from "./weight-plan.ts";

function composed(input: StoredInput, plan: WeightPlan): readonly WeightInput[] {
  const { tensor: _, ...steps } = input;
  if (Object.keys(steps).length === 0) return plan.inputs;
  const [only] = plan.inputs;
  // the steps have a fixed order, so later steps can be added to an input that has only earlier ones
  if (plan.inputs.length === 1 && only !== undefined && "tensor" in only) {
    const { tensor, rows, ...rest } = only;
    if (Object.keys(rest).length === 0 && rows === undefined) return [{ tensor, ...steps }];
    if (Object.keys(rest).length === 0 && steps.rows === undefined)
      return [{ tensor, ...(rows ? { rows } : {}), ...steps }];
  }
  return [{ join: plan.inputs, ...steps }];
}

/**
 * Inputs whose tensors are themselves planned, with each tensor replaced by its plan.
 * @throws ConversionError for a tensor without a plan.
 */
export function composeInputs(
  inputs: readonly WeightInput[],
  plans: ReadonlyMap<string, WeightPlan>,
): readonly WeightInput[] {
  return inputs.flatMap((input): readonly WeightInput[] => {
    if ("tensor" in input) {
      const plan = plans.get(input.tensor);
      if (plan === undefined)
        throw new ConversionError(`The tensor ${input.tensor} has no plan.`, { tensor: input.tensor });
      return composed(input, plan);
    }
    if ("join" in input) {
      const joined: JoinedInput = { ...input, join: composeInputs(input.join, plans) };
      return [joined];
    }
    return [input];
  });
}
