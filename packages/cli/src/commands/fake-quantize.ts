import { parseTarget, planFakeQuantize } from "@requant/convert";
import { UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { execute, showPlan } from "../execute.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { conversionArguments, conversionOptions } from "../plan-arguments.ts";

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
  const { plan: rest, run: files } = await conversionOptions(choices);
  return withModel(argument, context.signal, async (model) => {
    const plan = await planFakeQuantize(model, target, { ...rest, dtype });
    if (choices.plan === true) return showPlan(plan, model, context);
    return execute(plan, model, place, context, {
      overwrite: choices.overwrite,
      check: choices.verify,
      allowNonFinite: choices.allowNonFinite,
      ...files,
    });
  });
};
