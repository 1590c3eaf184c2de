/** What the browser's own storage holds. */
import { signal } from "@preact/signals";
import { type StoredOutput, storedOutputs } from "../storage/own-storage.ts";

export const stored = signal<readonly StoredOutput[]>([]);

/** Bytes that the browser still gives this page; undefined where it does not say. */
export const freeRoom = signal<number | undefined>(undefined);

export async function refreshStored(): Promise<void> {
  try {
    stored.value = await storedOutputs();
    const { quota, usage } = await navigator.storage.estimate();
    freeRoom.value = quota === undefined || usage === undefined ? undefined : Math.max(0, quota - usage);
  } catch {
    // no storage of its own, as in some private windows
    stored.value = [];
    freeRoom.value = undefined;
  }
}

export function outputNamed(name: string): StoredOutput | undefined {
  return stored.value.find((output) => output.name === name);
}
