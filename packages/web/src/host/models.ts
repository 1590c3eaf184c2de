/** The open models of the host, by number. */
import { type Model, type ModelLocation, openModel } from "@requant/convert";
import { UsageError } from "@requant/core";
import { forgetTokenizer } from "./opened-tokenizers.ts";
import { forgetPlans } from "./plans.ts";

const models = new Map<number, Model>();
/** Starts at the time of this host's start: numbers that the page has from a host that broke name no model here. */
let lastId = Math.floor(performance.timeOrigin);

export async function openNumbered(location: ModelLocation, signal: AbortSignal): Promise<number> {
  const model = await openModel(location, { signal });
  lastId += 1;
  models.set(lastId, model);
  return lastId;
}

/** @throws UsageError for a model that was closed */
export function modelNumbered(id: number): Model {
  const model = models.get(id);
  if (model === undefined)
    throw new UsageError("This model is not open any more.", { hint: "Open it again." });
  return model;
}

export async function closeNumbered(id: number): Promise<void> {
  const model = models.get(id);
  models.delete(id);
  forgetPlans(id);
  forgetTokenizer(id);
  await model?.close();
}
