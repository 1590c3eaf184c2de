import { type Model, openModel } from "@requant/convert";
import { type Location, locate } from "./locate.ts";

/** Opens a model argument, hands it to `use`, and closes it whatever happens. */
export async function withModel<T>(
  argument: string,
  signal: AbortSignal,
  use: (model: Model, location: Location) => Promise<T>,
): Promise<T> {
  const location = await locate(argument, signal);
  const model = await openModel({ store: location.store, file: location.file }, { signal });
  try {
    return await use(model, location);
  } finally {
    await model.close();
  }
}
