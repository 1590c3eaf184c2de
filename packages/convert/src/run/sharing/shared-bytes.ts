/** How many bytes of a source a run with several targets reads, and how many the runs of each target would. */
import { elementCount } from "@requant/core";
import { isRowSelection, plannedSources } from "@requant/models";
import { blockOf } from "../../model/encodings.ts";
import type { Model, ModelTensor } from "../../model/model.ts";
import type { Plan, PlanTensor } from "../../plan/plan.ts";
import { nothingShared, sharedReading } from "./shared-reading.ts";

/** Stored bytes of weights, counted once for each time that they are read to be converted. Passes that only measure do not count. */
export interface SharedBytes {
  readonly bytesRead: number;
  /** Read by a run for each target. */
  readonly bytesReadAlone: number;
}

/**
 * What a plan with several targets saves in reading; nothing is read to tell it.
 * @param options `filesApart`: each file is made from a reading of its own, as for stores without `stage`
 */
export function sharedBytes(
  plan: Plan,
  model: Model,
  { filesApart = false }: { readonly filesApart?: boolean } = {},
): SharedBytes {
  const isApart = filesApart || plan.targets === undefined;
  const { sets, held } = isApart ? nothingShared : sharedReading(model, new Map(plan.tensors.entries()));
  const bytes = plan.tensors.map((tensor) => sourceBytes(model, tensor));
  const bytesReadAlone = bytes.reduce((sum, own) => sum + own, 0);
  let saved = 0;
  const counted = new Set<number>();
  for (const group of [...held.values(), ...sets]) {
    // the weights of a set may all be among those that a packed weight is held for
    const own = group.filter((index) => !counted.has(index));
    for (const index of own.slice(1)) saved += bytes[index] ?? 0;
    for (const index of own) counted.add(index);
  }
  return { bytesRead: bytesReadAlone - saved, bytesReadAlone };
}

/** Of a packed weight all parts; of other stored rows those that become rows of the output; else the whole tensors. */
function sourceBytes(model: Model, weight: PlanTensor): number {
  const sources = plannedSources(weight).map((name) => model.tensor(name));
  const [first] = sources;
  if (first === undefined) return 0;
  const isPlain = sources.every(
    ({ linear, encoding }) => linear === undefined && encoding === first.encoding,
  );
  if (isPlain && isRowSelection(weight)) {
    const { blockSize, blockByteLength } = blockOf(first.encoding, { tensor: weight.name });
    return Math.ceil(elementCount(weight.shape) / blockSize) * blockByteLength;
  }
  return sources.reduce((sum, source) => sum + storedByteLength(source), 0);
}

function storedByteLength({ linear, byteLength }: ModelTensor): number {
  return linear === undefined ? byteLength : linear.parts.reduce((sum, part) => sum + part.byteLength, 0);
}
