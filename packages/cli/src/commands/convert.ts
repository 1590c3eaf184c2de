import { type Model, type Plan, type PlanOptions, parseTargets } from "@requant/convert";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { sameEverywhere } from "../parts/same-everywhere.ts";
import { withConversionOptions, writtenArguments } from "../plan-arguments.ts";
import { withReferredModels } from "../referred-models.ts";
import { placeOf, planTargets } from "../several-targets.ts";

const convertArguments = writtenArguments.extend({
  planOut: z.string().optional(),
  dryRun: z.boolean().optional(),
  private: z.boolean().optional(),
  stage: z.string().optional(),
});

export const convert: Handler = async ([argument = "", output = ""], given, context) => {
  const choices = convertArguments.parse(given);
  const targets = parseTargets(choices.to);
  const { private: isPrivate, stage, plan, dryRun } = choices;
  const isOnlyShown = plan === true || dryRun === true;
  const place = await placeOf(output, targets, {
    isPrivate,
    stage,
    isOnlyShown: isOnlyShown || choices.planOut !== undefined,
  });
  const saving = choices.planOut === undefined ? undefined : await import("../parts/save-plan.ts");
  saving?.refuseForSaving(choices, place, context);
  const opening = saving === undefined ? context : sameEverywhere(context);
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(argument, opening, (model, location) =>
      withReferredModels(choices, context, async (models) => {
        const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
          planTargets(source, targets, { ...options, ...more, ...models, outputName: place.name });
        const conversion = { model, targets, options, given: choices, planOf };
        if (isOnlyShown) {
          return showConversion(conversion, context, { place, isDryRun: dryRun === true });
        }
        const instead = await saving?.insteadOf(
          { argument, location, place, given: choices },
          model,
          context,
        );
        return carryOut({ ...conversion, place, files, instead }, context);
      }),
    ),
  );
};
