/** The half of a layer with the feed-forward. */
import type { ForwardPlan } from "./layer-plan.ts";
import { applyLinear, type Linear, loadLinear } from "./linear.ts";
import type { Pass } from "./pass.ts";

export interface ForwardWeights {
  readonly gate: Linear | undefined;
  readonly up: Linear;
  readonly down: Linear;
  /** The number of the expert. */
  readonly expert: number | undefined;
}

export async function loadForward(
  { source }: Pass,
  plan: ForwardPlan,
  expert?: number,
): Promise<ForwardWeights> {
  return {
    gate: plan.gate && (await loadLinear(source, plan.gate, expert)),
    up: await loadLinear(source, plan.up, expert),
    down: await loadLinear(source, plan.down, expert),
    expert,
  };
}

/** The name under which the input of a feed-forward is reported. */
export function forwardName({ gate, up }: ForwardPlan): string {
  return (gate ?? up).name;
}

/** down(f(gate(x)) × up(x)), or down(f(up(x))); the input itself is reported by the caller where it is shared. */
export async function feedForward(
  { settings, compute, observer, scratch }: Pass,
  { gate, up, down, expert }: ForwardWeights,
  input: Float32Array,
  tokens: number,
  out: Float32Array,
): Promise<void> {
  const width = up.plan.rows;
  const values = scratch.floats("up", tokens * width);
  await applyLinear(compute, up, input, tokens, values);
  let gates: Float32Array | undefined;
  if (gate !== undefined) {
    gates = scratch.floats("gate", tokens * width);
    await applyLinear(compute, gate, input, tokens, gates);
  }
  await compute.activate(settings.description.activation, gates, values);
  await observer?.onInput(down.plan.name, values, tokens, width, expert);
  await applyLinear(compute, down, values, tokens, out);
}
