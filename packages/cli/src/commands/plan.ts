import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import { isCalibrationText, planWithText } from "../calibration.ts";
import type { Handler } from "../context.ts";
import { showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";

export const plan: Handler = async ([argument = ""], given, context) => {
  const choices = conversionArguments.parse(given);
  const target = parseTarget(choices.to);
  return withConversionOptions(choices, ({ plan: rest }) =>
    withModel(argument, context.signal, async (model) => {
      const make = async (like?: Model): Promise<number> => {
        const makePlan = (more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(model, target, { ...rest, ...more, like });
        const isText = isCalibrationText(choices.calibrate);
        const plan = isText ? await planWithText({ model, makePlan }, context) : await makePlan();
        return showPlan(plan, model, context);
      };
      return choices.like === undefined ? make() : withModel(choices.like, context.signal, make);
    }),
  );
};
