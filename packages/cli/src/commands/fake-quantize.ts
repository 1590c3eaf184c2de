import {
  type Model,
  measuresWeights,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  planFakeQuantize,
  type RunOptions,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import * as z from "zod";
import { isCalibrationText } from "../calibration-options.ts";
import type { Handler } from "../context.ts";
import { execute, showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";
import { statisticsIndex, withScales } from "../scales.ts";

const fakeArguments = conversionArguments.extend({
  plan: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  allowNonFinite: z.boolean().optional(),
  dtype: z.string(),
  verify: z.boolean(),
});

const DTYPES = { f32: "F32", f16: "F16", bf16: "BF16" } as const;

export const fakeQuantize: Handler = async ([argument = "", output = ""], given, context) => {
  const choices = fakeArguments.parse(given);
  const dtype = Object.entries(DTYPES).find(([name]) => name === choices.dtype.toLowerCase())?.[1];
  if (dtype === undefined) {
    throw new UsageError(`There is no type "${bounded(choices.dtype, 40)}" for --dtype.`, {
      hint: `Choose one of ${Object.keys(DTYPES).join(", ")}.`,
    });
  }
  const target = parseTarget(choices.to);
  const place = await outputPlace(output, false);
  return withConversionOptions(choices, ({ plan: rest, run: files }) =>
    withModel(argument, context.signal, async (model) => {
      const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
        planFakeQuantize(source, target, { ...rest, ...more, dtype });
      const makePlan = (more?: Pick<PlanOptions, "statistics">): Promise<Plan> => planOf(model, more);
      const { overwrite } = choices;
      const carryOut = async (unscaled: Plan, more: Pick<RunOptions, "statistics"> = {}): Promise<number> => {
        const given = { ...files, ...more };
        const { statistics } = given;
        const search =
          statistics === undefined
            ? undefined
            : await planConversion(model, target, { ...rest, statistics: await statisticsIndex(statistics) });
        return withScales(
          {
            plan: unscaled,
            search,
            model,
            place,
            statistics,
            overwrite,
            makePlan: (source, index) => planOf(source, { statistics: index }),
          },
          context,
          (plan, source) =>
            execute(plan, source, place, context, {
              overwrite,
              check: choices.verify,
              allowNonFinite: choices.allowNonFinite,
              ...given,
            }),
        );
      };
      if (!isCalibrationText(choices.calibrate)) {
        const plan = await makePlan();
        return choices.plan === true ? showPlan(plan, model, context) : carryOut(plan);
      }
      const { runWithText, showPlanWithText } = await import("../calibration.ts");
      const calibrated = { given: choices, model, place, overwrite, makePlan };
      if (choices.plan === true) {
        const isMeasured = measuresWeights(model, target, rest);
        return showPlanWithText({ ...calibrated, isMeasured }, context);
      }
      return runWithText(calibrated, context, carryOut);
    }),
  );
};
