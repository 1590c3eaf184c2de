/** The bytes of one output tensor: which way they are made. */

import { plannedSources } from "@requant/models";
import { blockOf } from "../model/encodings.ts";
import type { Model } from "../model/model.ts";
import { type BandMaker, type ColumnImportance, plainInput, type WeightTask } from "./bands.ts";
import { encoded } from "./ways/encoded.ts";
import { moved, movedRows, repacked } from "./ways/moved.ts";
import { roundTripped } from "./ways/round-tripped.ts";
import { throughView } from "./ways/through-view.ts";

/** Encodings of the stored tensors behind some inputs, each once, in order. */
export function sourceEncodings(model: Model, task: Pick<WeightTask, "name" | "shape" | "inputs">): string[] {
  return [...new Set(plannedSources(task).map((name) => model.tensor(name).encoding))];
}

/** How the bands of a tensor are made, by what its inputs are and what becomes of them. */
export function bandMaker(model: Model, task: WeightTask, importance?: ColumnImportance): BandMaker {
  if (isRepacked(task)) return repacked(model, task);
  if (task.through !== undefined) return roundTripped(model, task, importance);
  if (task.fidelity === "copy") {
    const stored = plainInput(task);
    return stored === undefined ? movedRows(model, task) : moved(model, stored);
  }
  if (task.way === "view") return throughView(model, task, isMeasured(task));
  return encoded(model, task, importance, isMeasured(task));
}

/** Hugging Face's MXFP4 becoming ggml's: the one type that its pairs of tensors are put together for as bytes. */
function isRepacked({ inputs, to, through }: WeightTask): boolean {
  return through === undefined && to === "MXFP4" && inputs.some((input) => "blocks" in input);
}

/** Whether encoding changes values, so that the error is worth measuring. */
export function isMeasured({ fidelity, through }: WeightTask): boolean {
  return through !== undefined || (fidelity !== "copy" && fidelity !== "exact");
}

/** Weights that share scales in what a tensor becomes, or goes through. */
export function blockSizeOf({ name, to, through }: WeightTask): number {
  return blockOf(through?.kind === "blocks" ? through.to : to, { tensor: name }).blockSize;
}

/** The entry of the importance matrix that a weight is made with. */
export function importanceName(
  task: Pick<WeightTask, "through"> & { readonly importance?: string | undefined },
): string | undefined {
  return task.through?.kind === "blocks" ? task.through.importance : task.importance;
}
