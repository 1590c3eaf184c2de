/** The last norm and the head: from hidden states to logits. */
import type { LinearPlan, NormPlan } from "./layer-plan.ts";
import { loadNorm, readWhole } from "./linear.ts";
import { type NormValues, normalize } from "./norm.ts";
import type { Pass } from "./pass.ts";

/** The name under which the input of the head is reported, of a tied one too: the embedding as such has no inputs. */
export const HEAD_NAME = "output.weight";

export interface HeadPlan {
  readonly norm: NormPlan;
  /** `output.weight`, or `token_embd.weight` where the head is the embedding. */
  readonly output: LinearPlan;
}

/** Computes logits; what of its weight fits stays in memory. */
export interface DecoderHead {
  /** Reports the input of the head to the observer, without computing logits. */
  observe(states: Float32Array): Promise<void>;
  /**
   * Logits of each row of hidden states; give many rows at once where the head does not fit in memory.
   * @param states [rows, hidden]; not changed
   * @param out where they go: [rows, vocabulary]; a new array where it is absent
   * @returns `out`
   */
  logits(states: Float32Array, out?: Float32Array): Promise<Float32Array>;
}

/** @param headBytes bytes of the head's weight that are in memory at once */
export async function openHead(pass: Pass, plan: HeadPlan, headBytes: number): Promise<DecoderHead> {
  const { source, settings, observer, compute, scratch } = pass;
  const { name, rows: vocabulary, columns } = plan.output;
  const norm: NormValues = await loadNorm(source, plan.norm);
  const bias = plan.output.bias === undefined ? undefined : await readWhole(source, plan.output.bias);
  const band = Math.min(vocabulary, Math.max(1, Math.floor(headBytes / (4 * columns))));
  let kept: Float32Array | undefined;
  const bandOf = async (start: number, end: number): Promise<Float32Array> => {
    if (kept !== undefined && band === vocabulary) return kept;
    const weight = kept?.subarray(0, (end - start) * columns) ?? new Float32Array((end - start) * columns);
    kept ??= weight;
    await source.readRows(name, start, end, weight);
    return weight;
  };
  const normed = (states: Float32Array): Float32Array => {
    const out = scratch.floats("head input", states.length);
    normalize(states, settings.description.norm, norm, settings.epsilon, out);
    return out;
  };
  return {
    async observe(states) {
      await observer?.onInput(HEAD_NAME, normed(states), states.length / columns, columns);
    },
    async logits(states, logits: Float32Array = new Float32Array((states.length / columns) * vocabulary)) {
      const rows = states.length / columns;
      const input = normed(states);
      for (let start = 0; start < vocabulary; start += band) {
        const end = Math.min(vocabulary, start + band);
        const part = band === vocabulary ? logits : scratch.floats("band", rows * (end - start));
        await compute.product(input, await bandOf(start, end), rows, end - start, columns, part);
        if (part === logits) break;
        for (let row = 0; row < rows; row++) {
          logits.set(part.subarray(row * (end - start), (row + 1) * (end - start)), row * vocabulary + start);
        }
      }
      finish(logits, vocabulary, bias, settings);
      return logits;
    },
  };
}

function finish(
  logits: Float32Array,
  vocabulary: number,
  bias: Float32Array | undefined,
  { logitScale, logitCap }: Pass["settings"],
): void {
  if (bias !== undefined) for (let i = 0; i < logits.length; i++) logits[i]! += bias[i % vocabulary]!;
  if (logitScale !== 1) for (let i = 0; i < logits.length; i++) logits[i]! *= logitScale;
  if (logitCap === 0) return;
  for (let i = 0; i < logits.length; i++) logits[i] = logitCap * Math.tanh(logits[i]! / logitCap);
}
