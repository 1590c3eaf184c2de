import {
  type Model,
  measuresWeights,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
} from "@requant/convert";
import { isCalibrationText } from "../calibration-options.ts";
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
        if (!isCalibrationText(choices.calibrate)) return showPlan(await makePlan(), model, context);
        const { showPlanWithText } = await import("../calibration.ts");
        const isMeasured = measuresWeights(model, target, rest);
        return showPlanWithText({ given: choices, model, makePlan, isMeasured }, context);
      };
      return choices.like === undefined ? make() : withModel(choices.like, context.signal, make);
    }),
  );
};
