/** All that a model can be converted to: asked of the host once. */
import { signal } from "@preact/signals";
import { call } from "../host/client.ts";
import type { Targets } from "../host/methods/targets.ts";

export const targets = signal<Targets | undefined>(undefined);

let asked = false;

export async function loadTargets(): Promise<void> {
  if (asked) return;
  asked = true;
  try {
    targets.value = await call("targets", {});
  } catch {
    // the field takes targets all the same; the next view asks again
    asked = false;
  }
}
