import type { PlannedConversion } from "../host/methods/plan.ts";

/** What a choice changed between two plans of one model. */
export interface PlanChanges {
  /** Bytes more than before. */
  readonly byteLength: number;
  /** The type or way that tensors had before, of those that have another now. */
  readonly before: ReadonlyMap<string, string>;
}

/** Plans of formats that name tensors differently are compared by size only. */
export function planChanges(plan: PlannedConversion, before: PlannedConversion): PlanChanges {
  const known = new Map(before.tensors.map((tensor) => [tensor.name, tensor]));
  const changed = plan.tensors.flatMap((tensor) => {
    const earlier = known.get(tensor.name);
    if (earlier === undefined) return [];
    if (earlier.to !== tensor.to) return [[tensor.name, earlier.to] as const];
    return earlier.fidelity === tensor.fidelity ? [] : [[tensor.name, earlier.fidelity] as const];
  });
  return { byteLength: plan.byteLength - before.byteLength, before: new Map(changed) };
}
