import { type DoctorReport, examineModel } from "@requant/convert";
import { UsageError } from "@requant/core";
import type { Control } from "../control.ts";
import { modelNumbered } from "../models.ts";

/** Everything wrong with an open model; `weights` reads all of it. */
export async function doctor(
  { id, weights }: { readonly id: number; readonly weights: boolean },
  { signal, progress }: Control,
): Promise<DoctorReport> {
  const { origin } = modelNumbered(id);
  if (origin === undefined) throw new UsageError("This model cannot be opened a second time.");
  return examineModel(origin, {
    weights,
    signal,
    onProgress: (done, total) => progress({ done, total }),
  });
}
