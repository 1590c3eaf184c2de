import { type Model, openModel } from "@requant/convert";
import type { Context } from "./context.ts";
import { collectSooner } from "./heap-growth.ts";
import { locate } from "./locate.ts";
import type { Location } from "./location.ts";

/** Opens a model argument, hands it to `use`, and closes it whatever happens. */
export async function withModel<T>(
  argument: string,
  context: Pick<Context, "signal" | "streams" | "options">,
  use: (model: Model, location: Location) => Promise<T>,
): Promise<T> {
  const location = await locate(argument, context);
  collectSooner();
  const model = await openModel({ store: location.store, file: location.file }, { signal: context.signal });
  try {
    return await use(model, location);
  } finally {
    await model.close();
  }
}
