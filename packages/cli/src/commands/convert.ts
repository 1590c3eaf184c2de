import { type Model, parseTarget, planConversion } from "@requant/convert";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { execute, showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, conversionOptions } from "../plan-arguments.ts";

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
  const { plan: rest, run: files } = await conversionOptions(choices);
  return withModel(argument, context.signal, async (model) => {
    const run = async (like?: Model): Promise<number> => {
      const plan = await planConversion(model, target, { ...rest, like, outputName: place.name });
      if (choices.plan === true) return showPlan(plan, model, context);
      return execute(plan, model, place, context, {
        overwrite: choices.overwrite,
        jobs: choices.jobs,
        resume: choices.resume,
        check: choices.verify,
        allowNonFinite: choices.allowNonFinite,
        ...files,
      });
    };
    return choices.like === undefined ? run() : withModel(choices.like, context.signal, run);
  });
};
