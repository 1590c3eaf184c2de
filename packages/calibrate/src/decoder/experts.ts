/** The half of a layer with experts: each token goes through the few that its router chooses. */
import type { HiddenStates } from "../hidden-states.ts";
import { type ForwardWeights, feedForward, forwardName, loadForward } from "./forward-half.ts";
import type { ExpertsPlan, ForwardPlan } from "./layer-plan.ts";
import { applyLinear, type Linear, loadLinear } from "./linear.ts";
import { type Batch, batchesOf, type Pass, readBatch, writeBatch } from "./pass.ts";
import { type Routes, route } from "./router.ts";

/** What reads the input of the half for a batch: [tokens, hidden]; valid until the next call. */
export type InputOf = (batch: Batch) => Promise<Float32Array>;

function byteLengthOf({ gate, up, down }: ForwardPlan): number {
  return 4 * [gate, up, down].reduce((sum, plan) => sum + (plan ? plan.rows * plan.columns : 0), 0);
}

/** The name under which the input of all tokens is reported. */
export function expertsName({ shared, router }: ExpertsPlan): string {
  return shared === undefined ? router.name : forwardName(shared);
}

/** The shared expert, for all tokens: scaled by the sigmoid of its gate where it has one. */
async function sharedExpert(
  pass: Pass,
  weights: ForwardWeights,
  gate: Linear | undefined,
  input: Float32Array,
  out: Float32Array,
): Promise<void> {
  const { compute, settings, scratch } = pass;
  const tokens = out.length / settings.hidden;
  await feedForward(pass, weights, input, tokens, out);
  if (gate === undefined) return;
  const gates = scratch.floats("shared gate", tokens);
  await applyLinear(compute, gate, input, tokens, gates);
  for (let token = 0; token < tokens; token++) {
    const share = 1 / (1 + Math.exp(-gates[token]!));
    for (let i = token * settings.hidden; i < (token + 1) * settings.hidden; i++) out[i]! *= share;
  }
}

/** Gathers the tokens of one expert, and adds its results where they came from. */
async function oneExpert(
  pass: Pass,
  weights: ForwardWeights,
  routes: Routes,
  input: Float32Array,
  sums: Float32Array,
): Promise<void> {
  const { settings, observer, scratch } = pass;
  const { hidden } = settings;
  const chosen = routes.experts.length / (input.length / hidden);
  let count = 0;
  for (let i = 0; i < routes.experts.length; i++) if (routes.experts[i] === weights.expert) count++;
  if (count === 0) return;
  const places = new Int32Array(count);
  const gathered = scratch.floats("gathered", count * hidden);
  for (let i = 0, next = 0; i < routes.experts.length; i++) {
    if (routes.experts[i] !== weights.expert) continue;
    const token = Math.floor(i / chosen);
    gathered.set(input.subarray(token * hidden, (token + 1) * hidden), next * hidden);
    places[next++] = i;
  }
  await observer?.onInput((weights.gate ?? weights.up).plan.name, gathered, count, hidden, weights.expert);
  const out = scratch.floats("expert", count * hidden);
  await feedForward(pass, weights, gathered, count, out);
  for (let row = 0; row < count; row++) {
    const place = places[row]!;
    const share = routes.weights[place]!;
    const to = Math.floor(place / chosen) * hidden;
    for (let i = 0; i < hidden; i++) sums[to + i]! += share * out[row * hidden + i]!;
  }
}

/** Routes of each batch; the sums begin with the shared expert. */
async function routeAll(
  pass: Pass,
  plan: ExpertsPlan,
  batches: readonly Batch[],
  sums: HiddenStates,
  inputOf: InputOf,
): Promise<Routes[]> {
  const { source, compute, observer, scratch, settings } = pass;
  const router = await loadLinear(source, plan.router);
  const shared = plan.shared && (await loadForward(pass, plan.shared));
  const sharedGate = plan.sharedGate && (await loadLinear(source, plan.sharedGate));
  const all: Routes[] = [];
  for (const batch of batches) {
    const input = await inputOf(batch);
    await observer?.onInput(expertsName(plan), input, batch.tokens, settings.hidden);
    const logits = scratch.floats("router", batch.tokens * plan.count);
    await applyLinear(compute, router, input, batch.tokens, logits);
    all.push(route(logits, { ...plan.routing, experts: plan.count }));
    if (shared === undefined) continue;
    const out = scratch.floats("half", batch.tokens * settings.hidden);
    await sharedExpert(pass, shared, sharedGate, input, out);
    await writeBatch(sums, batch, out);
  }
  return all;
}

/**
 * Computes what the half adds to all windows: the sums [tokens, hidden] of each. Experts are read once, a few at a time, and
 * each of them sees all batches. The results of a token are always added in the order of the experts' numbers.
 */
export async function expertsHalf(
  pass: Pass,
  plan: ExpertsPlan,
  states: HiddenStates,
  inputOf: InputOf,
): Promise<HiddenStates> {
  const sums = pass.makeStates(states.windows, states.tokens, states.columns);
  const batches = batchesOf(pass, states);
  const routes = await routeAll(pass, plan, batches, sums, inputOf);
  const used = new Set<number>();
  for (const { experts } of routes) for (const expert of experts) used.add(expert);
  const numbers = [...used].sort((a, b) => a - b);
  const together = Math.max(1, Math.floor(pass.expertBytes / byteLengthOf(plan.first)));
  for (let start = 0; start < numbers.length; start += together) {
    const weights: ForwardWeights[] = [];
    for (const expert of numbers.slice(start, start + together)) {
      weights.push(await loadForward(pass, plan.first, expert));
    }
    for (const [index, batch] of batches.entries()) {
      const input = await inputOf(batch);
      const out = pass.scratch.floats("half", batch.tokens * states.columns);
      await readBatch(sums, batch, out);
      for (const one of weights) await oneExpert(pass, one, routes[index]!, input, out);
      await writeBatch(sums, batch, out);
    }
  }
  return sums;
}
