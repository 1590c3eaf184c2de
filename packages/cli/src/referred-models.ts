import type { Model, PlanOptions } from "@requant/convert";
import type { Context } from "./context.ts";
import { withModel } from "./open.ts";
import type { ConversionArguments } from "./plan-arguments.ts";

/** The models that options name. */
export type ReferredModels = Pick<PlanOptions, "like" | "base">;

/** Opens the models that options name, hands them to `use`, and closes them whatever happens. */
export async function withReferredModels<T>(
  { like, base }: Pick<ConversionArguments, "like" | "base">,
  context: Pick<Context, "signal" | "options" | "streams">,
  use: (models: ReferredModels) => Promise<T>,
): Promise<T> {
  const opened = <R>(argument: string | undefined, then: (model?: Model) => Promise<R>): Promise<R> =>
    argument === undefined ? then() : withModel(argument, context, then);
  return opened(like, (likeModel) =>
    opened(base, (baseModel) =>
      use({
        ...(likeModel === undefined ? {} : { like: likeModel }),
        ...(baseModel === undefined ? {} : { base: baseModel }),
      }),
    ),
  );
}
