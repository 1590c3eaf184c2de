import {
  type Model,
  measuresWeights,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  type RunOptions,
} from "@requant/convert";
import * as z from "zod";
import { isCalibrationText } from "../calibration-options.ts";
import type { Handler } from "../context.ts";
import { execute, showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";
import { withScales } from "../scales.ts";

const convertArguments = conversionArguments.extend({
  plan: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  jobs: z.number().optional(),
  resume: z.boolean().optional(),
  allowNonFinite: z.boolean().optional(),
  /** False under `--no-verify`. */
  verify: z.boolean(),
});

export const convert: Handler = async ([argument = "", output = ""], given, context) => {
  const choices = convertArguments.parse(given);
  const target = parseTarget(choices.to);
  const place = await outputPlace(output, target.format === "gguf");
  return withConversionOptions(choices, ({ plan: rest, run: files }) =>
    withModel(argument, context.signal, async (model) => {
      const run = async (like?: Model): Promise<number> => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(source, target, { ...rest, ...more, like, outputName: place.name });
        const makePlan = (more?: Pick<PlanOptions, "statistics">): Promise<Plan> => planOf(model, more);
        const { jobs, resume, overwrite } = choices;
        const carryOut = (unscaled: Plan, more: Pick<RunOptions, "statistics"> = {}): Promise<number> => {
          const given = { ...files, ...more };
          return withScales(
            {
              plan: unscaled,
              model,
              place,
              statistics: given.statistics,
              resume,
              overwrite,
              makePlan: (source, statistics) => planOf(source, { statistics }),
            },
            context,
            (plan, source) =>
              execute(plan, source, place, context, {
                overwrite,
                jobs,
                resume,
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
        const calibrated = { given: choices, model, place, jobs, resume, overwrite, makePlan };
        if (choices.plan === true) {
          const isMeasured = measuresWeights(model, target, rest);
          return showPlanWithText({ ...calibrated, isMeasured }, context);
        }
        return runWithText(calibrated, context, carryOut);
      };
      return choices.like === undefined ? run() : withModel(choices.like, context.signal, run);
    }),
  );
};
