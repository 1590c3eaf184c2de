import type { Model } from "../model/model.ts";
import { sourceVersions, touchSource } from "../model/source-versions.ts";
import type { SharedModel, WorkerSetup } from "./workers/protocol.ts";

/** Where workers find the model, and the adapter that is merged into it; undefined where they do not find both. */
export async function sharedModels(
  model: Model,
): Promise<Pick<WorkerSetup, "model" | "adapter"> | undefined> {
  const { base, adapter } = model.merged ?? { base: model, adapter: undefined };
  const own = await sharedModel(base);
  const other = adapter === undefined ? undefined : await sharedModel(adapter);
  const isMissing = own === undefined || (adapter !== undefined && other === undefined);
  return isMissing ? undefined : { model: own, adapter: other };
}

async function sharedModel(model: Model): Promise<SharedModel | undefined> {
  const { origin } = model;
  const source = origin?.store.address;
  if (source === undefined) return undefined;
  await touchSource(model);
  return { source, file: origin?.file, limits: origin?.limits, versions: await sourceVersions(model) };
}
