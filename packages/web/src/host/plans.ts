/** The last plan of each open model. */
import type { Model, Plan } from "@requant/convert";
import { UsageError } from "@requant/core";

export interface KeptPlan {
  readonly model: Model;
  readonly plan: Plan;
  readonly imatrix: ReadonlyMap<string, ArrayLike<number>> | undefined;
  /** Of the file or folder that is made. */
  readonly name: string;
}

const plans = new Map<number, { readonly id: number; readonly kept: KeptPlan }>();
let lastId = 0;

export function keepPlan(modelId: number, kept: KeptPlan): number {
  lastId += 1;
  plans.set(modelId, { id: lastId, kept });
  return lastId;
}

/** @throws UsageError for one that a later plan has replaced */
export function planNumbered(modelId: number, planId: number): KeptPlan {
  const found = plans.get(modelId);
  if (found?.id === planId) return found.kept;
  throw new UsageError("The choices have changed since this plan was made.", { hint: "Start again." });
}

export function forgetPlans(modelId: number): void {
  plans.delete(modelId);
}
