/** Logits of llama.cpp beside ours, for tests. */
import type { LlamaModel } from "node-llama-cpp";
import { logitsAt } from "../../../fixtures/llama-client.ts";

/**
 * Of logarithms of probabilities. ggml looks GELU up in a table of f16 numbers for f16 numbers (ggml/src/ggml-cpu/vec.h,
 * ggml_vec_gelu_f32), so its own logits differ that much from those of transformers.
 */
export const llamaTolerance = { silu: 5e-5, gelu: 1e-2 };

/** Two windows of ids that the model's vocabulary has, longer than all windows of tiny models. */
export function windowsOf(prompt: readonly number[]): number[][] {
  const mixed = Array.from({ length: 48 }, (_, i) => prompt[(i * 7 + (i >> 4)) % prompt.length] ?? 0);
  return [mixed, [...prompt, ...prompt, ...prompt].slice(0, 48)];
}

/** Natural logarithms of softmax(logits). */
function logProbabilities(logits: ArrayLike<number>): Float64Array {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) largest = Math.max(largest, logits[i] ?? Number.NaN);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp((logits[i] ?? Number.NaN) - largest);
  const shift = largest + Math.log(sum);
  return Float64Array.from(logits, (logit) => logit - shift);
}

/** The largest difference at any position, as logarithms of probabilities; NaN where one is missing. */
export async function worstDifference(
  model: LlamaModel,
  windows: readonly (readonly number[])[],
  own: readonly Float32Array[],
): Promise<number> {
  let worst = 0;
  for (const [window, ids] of windows.entries()) {
    const theirs = await logitsAt(model, ids, [...ids.keys()]);
    const logits = own[window] ?? new Float32Array(0);
    const length = logits.length / ids.length;
    for (const position of ids.keys()) {
      const row = logits.subarray(position * length, (position + 1) * length);
      const one = logProbabilities(row);
      const other = logProbabilities(Array.from(row, (_, id) => theirs[position]?.get(id) ?? Number.NaN));
      for (let id = 0; id < length; id++) {
        const difference = Math.abs((one[id] ?? Number.NaN) - (other[id] ?? Number.NaN));
        worst = Math.max(worst, difference);
      }
    }
  }
  return worst;
}
