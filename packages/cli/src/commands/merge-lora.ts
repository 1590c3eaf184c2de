import { type Model, mergedModel, type Plan, type PlanOptions, parseTargets } from "@requant/convert";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { withConversionOptions, writtenArguments } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";
import { placeOf, planTargets } from "../several-targets.ts";

export const mergeLora: Handler = async ([base = "", adapter = "", output = ""], given, context) => {
  const choices = writtenArguments.parse(given);
  const targets = parseTargets(choices.to);
  const place = await placeOf(output, targets, { isOnlyShown: choices.plan });
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(base, context, (baseModel) =>
      withModel(adapter, context, async (adapterModel) => {
        const model = await mergedModel(baseModel, adapterModel);
        return withReferredModels(choices, context, (models) => {
          const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
            planTargets(source, targets, { ...options, ...more, ...models, outputName: place.name });
          const conversion = { model, targets, options, given: choices, planOf };
          return choices.plan === true
            ? showConversion(conversion, context, { place })
            : carryOut({ ...conversion, place, files }, context);
        });
      }),
    ),
  );
};
