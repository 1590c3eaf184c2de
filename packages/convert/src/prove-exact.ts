/**
 * Some values are narrower than their type: the norms of a bf16 checkpoint stand in a GGUF as F32 and fit into bf16
 * again. Headers cannot tell, so these tensors are looked at before the plan calls them rounded.
 */
import { elementCount } from "@requant/core";
import { errorMeter } from "./error-meter.ts";
import type { Model } from "./model.ts";
import type { Plan, PlanTensor } from "./plan.ts";
import { tensorBytes } from "./weights.ts";

/** Weights of a tensor that is looked at in any case: norms and biases. */
const SMALL = 256 * 1024;
const BAND_BYTE_LENGTH = 1024 * 1024;

export interface ProveOptions {
  /** Look at tensors of any size, not only at small ones: before `exact` refuses them. */
  readonly all: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The plan with `exact` for every rounded tensor whose values all come back unchanged. */
export async function proveExact(plan: Plan, model: Model, options: ProveOptions): Promise<Plan> {
  const tensors: PlanTensor[] = [];
  for (const tensor of plan.tensors) {
    const proven = isCandidate(tensor, options.all) && (await comesBack(tensor, model, options.signal));
    tensors.push(proven ? { ...tensor, fidelity: "exact" } : tensor);
  }
  return { ...plan, tensors };
}

function isCandidate({ fidelity, shape, inputs }: PlanTensor, all: boolean): boolean {
  const rounds = fidelity === "rounded" || (all && fidelity === "float");
  // a map moves the values on purpose
  return rounds && (all || elementCount(shape) <= SMALL) && inputs.every((input) => !("map" in input));
}

/** Encodes until the first value that differs. */
async function comesBack(
  tensor: PlanTensor,
  model: Model,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const meter = errorMeter();
  for await (const _ of tensorBytes(model, tensor, { bandByteLength: BAND_BYTE_LENGTH, signal }, meter)) {
    if (meter.sums().maxAbsError > 0) return false;
  }
  return true;
}
