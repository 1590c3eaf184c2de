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
import { isCalibrationText, runWithText, showPlanWithText } from "../calibration.ts";
import type { Handler } from "../context.ts";
import { execute, showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";

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
        const makePlan = (more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(model, target, { ...rest, ...more, like, outputName: place.name });
        const { jobs, resume, overwrite } = choices;
        const carryOut = (plan: Plan, more: Pick<RunOptions, "statistics"> = {}): Promise<number> =>
          execute(plan, model, place, context, {
            overwrite,
            jobs,
            resume,
            check: choices.verify,
            allowNonFinite: choices.allowNonFinite,
            ...files,
            ...more,
          });
        if (!isCalibrationText(choices.calibrate)) {
          const plan = await makePlan();
          return choices.plan === true ? showPlan(plan, model, context) : carryOut(plan);
        }
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
