import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import { isCalibrationText } from "../calibration-options.ts";
import type { Handler } from "../context.ts";
import { showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { conversionArguments, conversionOptions } from "../plan-arguments.ts";

export const plan: Handler = async ([argument = ""], given, context) => {
  const choices = conversionArguments.parse(given);
  const target = parseTarget(choices.to);
  const { plan: rest } = await conversionOptions(choices);
  return withModel(argument, context.signal, async (model) => {
    const make = async (like?: Model): Promise<number> => {
      const makePlan = (more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
        planConversion(model, target, { ...rest, ...more, like });
      if (!isCalibrationText(choices.calibrate)) return showPlan(await makePlan(), model, context);
      const { planWithText } = await import("../calibration.ts");
      return showPlan(await planWithText({ model, makePlan }, context), model, context);
    };
    return choices.like === undefined ? make() : withModel(choices.like, context.signal, make);
  });
};
