import { type BegunUpload, UsageError } from "@requant/core";
import type { Plan } from "../../plan/plan.ts";
import type { OutputStore } from "../outputs/store.ts";
import type { PlannedUpload, SavedPlan } from "./saved-plan.ts";

/** The name of a plan's work in the store of its output. */
export function workName({ id }: Pick<SavedPlan, "id">): string {
  return id.slice(0, 16);
}

/** The uploads of a plan's files. */
export function begunUploads({ files }: Plan, planned: readonly PlannedUpload[]): BegunUpload[] {
  return files.flatMap(({ name, byteLength }, index) => {
    const upload = planned[index];
    return upload === undefined ? [] : [{ name, byteLength, ...upload }];
  });
}

/**
 * Removes what the parts of a plan have made, in place of finishing. Finished files stay. The parts of a plan for a folder can be
 * run anew after this; a plan for a server must be saved again.
 * @returns whether anything was there
 * @throws UsageError where a finish has begun to give the files of a folder their names
 */
export async function abandonParts(saved: SavedPlan, output: OutputStore): Promise<boolean> {
  if (saved.uploads !== undefined) {
    const uploads = output.shareUploads?.(workName(saved), begunUploads(saved.plan, saved.uploads));
    const wasOpen = await hasOpenUploads(saved, output);
    for (const file of uploads?.files ?? []) await file.abandon();
    await uploads?.remove();
    return wasOpen;
  }
  return abandonShared(saved, output);
}

/** Whether a server still knows an upload that was begun for a plan: nothing but the plan names it. */
export async function hasOpenUploads(saved: SavedPlan, output: OutputStore): Promise<boolean> {
  const planned = begunUploads(saved.plan, saved.uploads ?? []);
  for (const file of output.shareUploads?.(workName(saved), planned).files ?? []) {
    if ((await file.parts()) !== undefined) return true;
  }
  return false;
}

/** The same for a plan whose output is a folder. @returns whether anything was there */
export async function abandonShared(saved: Pick<SavedPlan, "id">, output: OutputStore): Promise<boolean> {
  const shared = await output.share?.(workName(saved), { make: false });
  if (shared === undefined) return false;
  if (await shared.isPublishing()) {
    throw new UsageError("Some files of the output have their names already.", {
      path: shared.name,
      hint: "Finish the plan: all its parts are made.",
    });
  }
  await shared.remove();
  return true;
}
