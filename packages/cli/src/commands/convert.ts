import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { withConversionOptions, writtenArguments } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";

export const convert: Handler = async ([argument = "", output = ""], given, context) => {
  const choices = writtenArguments.parse(given);
  const target = parseTarget(choices.to);
  const place = await outputPlace(output, target.format === "gguf");
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(argument, context, (model) =>
      withReferredModels(choices, context, (models) => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(source, target, { ...options, ...more, ...models, outputName: place.name });
        const conversion = { model, target, options, given: choices, planOf };
        return choices.plan === true
          ? showConversion(conversion, context)
          : carryOut({ ...conversion, place, files }, context);
      }),
    ),
  );
};
