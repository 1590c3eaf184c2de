import type { ReadStore } from "@requant/core";
import { openSafetensors } from "@requant/safetensors";

/** Whether a finished file of statistics was made by this run. */
export async function isStatisticsOf(store: ReadStore, file: string, run: string): Promise<boolean> {
  const set = await openSafetensors(store, { file });
  const found = set.metadata["run"];
  await set.close();
  return found === run;
}
