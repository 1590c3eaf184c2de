import {
  type Model,
  type Plan,
  type PlanOptions,
  parseTarget,
  planConversion,
  planFakeQuantize,
  type StatisticsIndex,
} from "@requant/convert";
import { UsageError } from "@requant/core";
import { bounded } from "@requant/core/text";
import * as z from "zod";
import type { Handler } from "../context.ts";
import { carryOut, showConversion } from "../conversion.ts";
import { withModel } from "../open.ts";
import { outputPlace } from "../output.ts";
import { withConversionOptions, writtenArguments } from "../plan-arguments.ts";

const fakeArguments = writtenArguments.extend({ dtype: z.string() });

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
  const place = await outputPlace(output, "directory", { isOnlyShown: choices.plan });
  return withConversionOptions(choices, ({ plan: options, run: files }) =>
    withModel(argument, context, async (model) => {
      const planOf = (source: Model, more: Pick<PlanOptions, "statistics"> = {}): Promise<Plan> =>
        planFakeQuantize(source, target, { ...options, ...more, dtype });
      const conversion = { model, targets: [target], options, given: choices, planOf };
      if (choices.plan === true) return showConversion(conversion, context);
      // the plan of the floats does not say which weights the target packs
      const searchPlan = (statistics: StatisticsIndex): Promise<Plan> =>
        planConversion(model, target, { ...options, statistics });
      return carryOut({ ...conversion, place, files, searchPlan }, context);
    }),
  );
};
