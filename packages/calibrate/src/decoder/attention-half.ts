/** The half of a layer with attention. */
import type { AttentionWindow } from "./attention.ts";
import type { LayerPlan } from "./layer-plan.ts";
import { applyLinear, type Linear, loadLinear, loadNorm } from "./linear.ts";
import { type NormValues, normalize } from "./norm.ts";
import type { Batch, Pass } from "./pass.ts";
import { rotate } from "./rope.ts";

export interface AttentionWeights {
  readonly queries: Linear;
  readonly keys: Linear;
  readonly values: Linear;
  readonly output: Linear;
  readonly queryNorm: NormValues | undefined;
  readonly keyNorm: NormValues | undefined;
}

export async function loadAttention({ source }: Pass, plan: LayerPlan): Promise<AttentionWeights> {
  const { attn_q_norm: queryNorm, attn_k_norm: keyNorm } = plan.norms;
  return {
    queries: await loadLinear(source, plan.queries),
    keys: await loadLinear(source, plan.keys),
    values: await loadLinear(source, plan.values),
    output: await loadLinear(source, plan.output),
    queryNorm: queryNorm && (await loadNorm(source, queryNorm)),
    keyNorm: keyNorm && (await loadNorm(source, keyNorm)),
  };
}

/** @returns what the half adds to the hidden states, before a norm: [tokens, hidden] */
export async function attentionHalf(
  pass: Pass,
  plan: LayerPlan,
  weights: AttentionWeights,
  input: Float32Array,
  batch: Batch,
): Promise<Float32Array> {
  const { settings, compute, observer, scratch } = pass;
  const { heads, keyHeads, headLength, hidden } = settings;
  const { tokens, windows } = batch;
  const each = tokens / windows;
  await observer?.onInput(plan.queries.name, input, tokens, hidden);
  const queries = scratch.floats("queries", tokens * heads * headLength);
  const keys = scratch.floats("keys", tokens * keyHeads * headLength);
  const values = scratch.floats("values", tokens * keyHeads * headLength);
  await applyLinear(compute, weights.queries, input, tokens, queries);
  await applyLinear(compute, weights.keys, input, tokens, keys);
  await applyLinear(compute, weights.values, input, tokens, values);
  const { norm } = settings.description;
  if (weights.queryNorm !== undefined) normalize(queries, norm, weights.queryNorm, settings.epsilon, queries);
  if (weights.keyNorm !== undefined) normalize(keys, norm, weights.keyNorm, settings.epsilon, keys);
  const mixed = scratch.floats("mixed", queries.length);
  const reach = settings.reachOf(plan.layer);
  const rope = reach === 0 ? settings.rope : settings.windowRope;
  const table =
    rope !== undefined && settings.rotates(plan.layer) ? await pass.ropeTable(reach !== 0, each) : undefined;
  const parts: AttentionWindow[] = [];
  for (let window = 0; window < windows; window++) {
    const part = (all: Float32Array): Float32Array => {
      const size = all.length / windows;
      return all.subarray(window * size, (window + 1) * size);
    };
    const one: AttentionWindow = {
      queries: part(queries),
      keys: part(keys),
      values: part(values),
      out: part(mixed),
      tokens: each,
      heads,
      keyHeads,
      headLength,
      scale: settings.scoreScale,
      cap: settings.scoreCap,
      reach,
    };
    if (rope !== undefined && table !== undefined) {
      rotate(one.queries, heads, headLength, rope, table);
      rotate(one.keys, keyHeads, headLength, rope, table);
    }
    parts.push(one);
  }
  await compute.attention(parts);
  await observer?.onInput(plan.output.name, mixed, tokens, heads * headLength);
  const out = scratch.floats("half", tokens * hidden);
  await applyLinear(compute, weights.output, mixed, tokens, out);
  return out;
}
