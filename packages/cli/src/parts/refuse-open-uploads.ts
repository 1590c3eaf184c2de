/** The plan file alone names the uploads that were begun for it: who replaces it cannot end them any more. */
import { hasOpenUploads, isStatisticsPlan } from "@requant/convert";
import { isCodecError, UsageError } from "@requant/core";
import type { Context } from "../context.ts";
import { outputStore, readSavedPlan } from "./open-plan.ts";

/** @throws UsageError where the file is a plan whose uploads are open */
export async function refuseOpenUploads(path: string, shown: string, context: Context): Promise<void> {
  const old = await readSavedPlan(path, context).catch((error: unknown) => {
    // no plan, or none that this version reads
    if (isCodecError(error)) return undefined;
    throw error;
  });
  if (old === undefined || isStatisticsPlan(old) || old.uploads === undefined) return;
  if (!(await hasOpenUploads(old, await outputStore(old, context)))) return;
  throw new UsageError("The plan that would be replaced has uploads that are not finished.", {
    path: shown,
    hint: `Run requant finish ${shown} --abort first, or save the new plan to another file.`,
  });
}
