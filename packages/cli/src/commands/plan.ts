import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import type { Handler } from "../context.ts";
import { showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";

export const plan: Handler = async ([argument = ""], given, context) => {
  const choices = conversionArguments.parse(given);
  const target = parseTarget(choices.to);
  return withConversionOptions(choices, ({ plan: options }) =>
    withModel(argument, context, async (model) => {
      const make = async (like?: Model): Promise<number> => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(source, target, { ...options, ...more, like });
        return showConversion({ model, target, options, given: choices, planOf }, context);
      };
      return choices.like === undefined ? make() : withModel(choices.like, context, make);
    }),
  );
};
