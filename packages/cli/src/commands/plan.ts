import { type Model, parseTarget, planConversion } from "@requant/convert";
import type { Handler } from "../context.ts";
import { showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { conversionArguments, conversionOptions } from "../plan-arguments.ts";

export const plan: Handler = async ([argument = ""], given, context) => {
  const choices = conversionArguments.parse(given);
  const target = parseTarget(choices.to);
  const { plan: rest } = await conversionOptions(choices);
  return withModel(argument, context.signal, async (model) => {
    const make = async (like?: Model): Promise<number> =>
      showPlan(await planConversion(model, target, { ...rest, like }), model, context);
    return choices.like === undefined ? make() : withModel(choices.like, context.signal, make);
  });
};
