import { type Model, type Plan, type PlanOptions, parseTargets } from "@requant/convert";
import type { Handler } from "../context.ts";
import { showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";
import { planTargets } from "../several-targets.ts";

export const plan: Handler = async ([argument = ""], given, context) => {
  const choices = conversionArguments.parse(given);
  const targets = parseTargets(choices.to);
  return withConversionOptions(choices, ({ plan: options }) =>
    withModel(argument, context, (model) =>
      withReferredModels(choices, context, (models) => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planTargets(source, targets, { ...options, ...more, ...models });
        return showConversion({ model, targets, options, given: choices, planOf }, context);
      }),
    ),
  );
};
