import { UsageError } from "@requant/core";
import type { Model } from "../../model/model.ts";
import { firstChanged } from "../../model/source-versions.ts";
import type { SavedSource } from "./saved-document.ts";

/** @throws UsageError where a file of the source is not the one that a plan was saved for */
export async function refuseChangedSince(
  { source }: { readonly source: SavedSource },
  model: Model,
): Promise<void> {
  const changed = await firstChanged(model, source.versions);
  if (changed === undefined) return;
  throw new UsageError("The source has changed since the plan was saved.", {
    path: `${model.folder}/${changed}`,
    hint: "Save a new plan.",
  });
}
