import { UsageError } from "@requant/core";
import { type Evaluation, EvaluationMeter } from "./meter.ts";

/** A model that has seen all windows, up to its last norm; the head is applied piece by piece. */
export interface LogitSource {
  /** Tokens of its vocabulary. */
  readonly vocabulary: number;
  /** Writes the logits [end − start, vocabulary] of the positions `start` to `end` of a window. */
  logits(window: number, start: number, end: number, out: Float32Array): Promise<void> | void;
}

/** What is evaluated. */
export interface EvaluateOptions {
  /** The model's windows of text, all of one length (`textWindows`). */
  readonly windows: readonly Int32Array[];
  /** Compare with this model, for the same windows. */
  readonly base?: LogitSource | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called after each window. */
  readonly onWindow?: ((done: number, total: number) => void) | undefined;
}

/** Bytes of logits that are in memory at a time, for each model; at least those of one position. */
const LOGITS_BYTE_LENGTH = 64 * 2 ** 20;

/**
 * Perplexity, and the distance to a base model, as llama-perplexity measures them: the second half of each window is scored. Of a
 * window of n tokens, the positions from ⌊n / 2⌋ to n − 2 predict the tokens that follow them. Memory: 64 MiB of logits for each
 * model.
 */
export async function evaluateModel(model: LogitSource, options: EvaluateOptions): Promise<Evaluation> {
  const { windows, base, signal, onWindow } = options;
  const { vocabulary } = model;
  if (base !== undefined && base.vocabulary !== vocabulary) {
    throw new UsageError(
      `The model has ${vocabulary} tokens in its vocabulary, and the base has ${base.vocabulary}.`,
      { hint: "Compare with a model of the same vocabulary." },
    );
  }
  const meter = new EvaluationMeter();
  const atOnce = Math.max(1, Math.floor(LOGITS_BYTE_LENGTH / 4 / vocabulary));
  const longest = Math.min(atOnce, windows[0]?.length ?? 1) * vocabulary;
  const own = new Float32Array(longest);
  const other = base === undefined ? undefined : new Float32Array(longest);
  for (const [index, window] of windows.entries()) {
    const last = window.length - 1;
    for (let start = Math.floor(window.length / 2); start < last; start += atOnce) {
      signal?.throwIfAborted();
      const end = Math.min(last, start + atOnce);
      const part = own.subarray(0, (end - start) * vocabulary);
      await model.logits(index, start, end, part);
      const otherPart = other?.subarray(0, part.length);
      if (otherPart !== undefined) await base?.logits(index, start, end, otherPart);
      meter.add(part, window.subarray(start + 1, end + 1), otherPart);
    }
    onWindow?.(index + 1, windows.length);
  }
  return meter.result();
}
