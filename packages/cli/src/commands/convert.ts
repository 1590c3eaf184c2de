import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";

export const convertArguments = conversionArguments.extend({
  plan: z.boolean().optional(),
  overwrite: z.boolean().optional(),
  jobs: z.number().optional(),
  resume: z.boolean().optional(),
  allowNonFinite: z.boolean().optional(),
  private: z.boolean().optional(),
  stage: z.string().optional(),
  dryRun: z.boolean().optional(),
  /** False under `--no-verify`. */
  verify: z.boolean(),
});

export const convert: Handler = async ([argument = "", output = ""], given, context) => {
  const choices = convertArguments.parse(given);
  const target = parseTarget(choices.to);
  const { private: isPrivate, stage } = choices;
  const place = await outputPlace(output, target.format === "gguf", { isPrivate, stage });
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(argument, context, (model) =>
      withReferredModels(choices, context, (models) => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(source, target, { ...options, ...more, ...models, outputName: place.name });
        const conversion = { model, target, options, given: choices, planOf };
        return choices.plan === true || choices.dryRun === true
          ? showConversion(conversion, context, choices.dryRun === true ? place.remote : undefined)
          : carryOut({ ...conversion, place, files }, context);
      }),
    ),
  );
};
