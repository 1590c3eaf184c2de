/** Which tensor of each model is shown. */
import { signal } from "@preact/signals";
import { shownTab } from "./tabs.ts";

/** Names of tensors, by the id of their model. */
export const chosenTensors = signal<ReadonlyMap<number, string>>(new Map());

/** Shows one tensor in the tab for that. */
export function showTensor(modelId: number, name: string): void {
  chosenTensors.value = new Map(chosenTensors.value).set(modelId, name);
  shownTab.value = "tensor";
}
