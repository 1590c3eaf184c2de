import { type Model, type Plan, type PlanOptions, parseTarget, planConversion } from "@requant/convert";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { sameEverywhere } from "../parts/same-everywhere.ts";
import { conversionArguments, withConversionOptions } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";

export const convertArguments = conversionArguments.extend({
  plan: z.boolean().optional(),
  planOut: z.string().optional(),
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
  const saving = choices.planOut === undefined ? undefined : await import("../parts/save-plan.ts");
  saving?.refuseForSaving(choices, place, context);
  const opening = saving === undefined ? context : sameEverywhere(context);
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(argument, opening, (model, location) =>
      withReferredModels(choices, context, (models) => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planConversion(source, target, { ...options, ...more, ...models, outputName: place.name });
        const conversion = { model, target, options, given: choices, planOf };
        if (choices.plan === true) return showConversion(conversion, context);
        const instead = saving?.insteadOf({ argument, location, place, given: choices }, context);
        return carryOut({ ...conversion, place, files, instead }, context);
      }),
    ),
  );
};
