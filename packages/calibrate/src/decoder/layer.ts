/** One layer, for all windows: its weights are in memory only here. */
import type { LayerPart } from "@requant/models";
import type { HiddenStates } from "../hidden-states.ts";
import { attentionHalf, loadAttention } from "./attention-half.ts";
import { expertsHalf } from "./experts.ts";
import { feedForward, forwardName, loadForward } from "./forward-half.ts";
import type { LayerPlan } from "./layer-plan.ts";
import { loadNorm } from "./linear.ts";
import { type NormValues, normalize } from "./norm.ts";
import { type Batch, batchesOf, type Pass, readBatch, refuseNotFinite, writeBatch } from "./pass.ts";

/** The norms between the steps; those of queries and keys belong to attention. */
type StepNorms = Readonly<Partial<Record<LayerPart, NormValues>>>;

const stepParts = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"] as const;

async function loadNorms({ source }: Pass, plan: LayerPlan): Promise<StepNorms> {
  const norms: Partial<Record<LayerPart, NormValues>> = {};
  for (const part of stepParts) {
    const own = plan.norms[part];
    if (own !== undefined) norms[part] = await loadNorm(source, own);
  }
  return norms;
}

/** The steps of one layer that both kinds of feed-forward share. */
class LayerSteps {
  readonly #pass: Pass;
  readonly #norms: StepNorms;

  constructor(pass: Pass, norms: StepNorms) {
    this.#pass = pass;
    this.#norms = norms;
  }

  /** x through a norm, into a buffer of its own; undefined where the layer has no such norm. */
  normed(part: LayerPart, x: Float32Array): Float32Array | undefined {
    const norm = this.#norms[part];
    if (norm === undefined) return undefined;
    const { settings, scratch } = this.#pass;
    const out = scratch.floats(part, x.length);
    normalize(x, settings.description.norm, norm, settings.epsilon, out);
    return out;
  }

  /** x += scale × norm(half) */
  add(x: Float32Array, half: Float32Array, part: "post_attention_norm" | "post_ffw_norm"): void {
    const added = this.normed(part, half) ?? half;
    const scale = this.#pass.settings.residualScale;
    for (let i = 0; i < x.length; i++) x[i]! += scale * added[i]!;
  }
}

/** Runs one layer over all windows; the hidden states before it are replaced by those after it. */
export async function runLayer(pass: Pass, plan: LayerPlan, states: HiddenStates): Promise<void> {
  const steps = new LayerSteps(pass, await loadNorms(pass, plan));
  const { settings, scratch, observer } = pass;
  const attention = await loadAttention(pass, plan);
  const forward = plan.forward && (await loadForward(pass, plan.forward));
  const read = async (batch: Batch): Promise<Float32Array> => {
    const x = scratch.floats("x", batch.tokens * settings.hidden);
    await readBatch(states, batch, x);
    return x;
  };
  for (const batch of batchesOf(pass, states)) {
    const x = await read(batch);
    const normed = steps.normed("attn_norm", x);
    const parallel = settings.parallel ? steps.normed("ffn_norm", x) : undefined;
    steps.add(x, await attentionHalf(pass, plan, attention, normed ?? x, batch), "post_attention_norm");
    if (plan.forward !== undefined && forward !== undefined) {
      const input = parallel ?? steps.normed("ffn_norm", x) ?? normed ?? x;
      await observer?.onInput(forwardName(plan.forward), input, batch.tokens, settings.hidden);
      const half = scratch.floats("half", x.length);
      await feedForward(pass, forward, input, batch.tokens, half);
      steps.add(x, half, "post_ffw_norm");
      refuseNotFinite(x, plan.layer);
    }
    await writeBatch(states, batch, x);
  }
  if (plan.experts === undefined) return;
  const sums = await expertsHalf(pass, plan.experts, states, async (batch) => {
    const x = await read(batch);
    return steps.normed("ffn_norm", x) ?? x;
  });
  for (const batch of batchesOf(pass, states)) {
    const x = await read(batch);
    const half = scratch.floats("half", x.length);
    await readBatch(sums, batch, half);
    steps.add(x, half, "post_ffw_norm");
    refuseNotFinite(x, plan.layer);
    await writeBatch(states, batch, x);
  }
}
