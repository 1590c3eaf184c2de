import { FormatError, UsageError } from "@requant/core";

/** How well a model predicts a text, and how close it is to a base model. Errors are one standard error, tokens taken as independent. */
export interface Evaluation {
  /** exp of the mean negative log probability of the right token. */
  readonly perplexity: number;
  readonly perplexityError: number;
  /** Mean KL divergence of the base model from this one, in nats; with a base. */
  readonly kl?: number;
  readonly klError?: number;
  /** Share of positions where both models find the same token most likely; with a base. */
  readonly sameTop?: number;
  readonly sameTopError?: number;
  /** Mean of ln(probability by the base / probability by this model) of the right token; with a base. */
  readonly logRatio?: number;
  readonly logRatioError?: number;
  /** Positions that were scored. */
  readonly tokens: number;
}

/** Sum and sum of squares of one number per position. */
class Mean {
  #count = 0;
  #mean = 0;
  #squares = 0;

  add(value: number): void {
    this.#count += 1;
    const difference = value - this.#mean;
    this.#mean += difference / this.#count;
    this.#squares += difference * (value - this.#mean);
  }

  get mean(): number {
    return this.#mean;
  }

  /** Standard error of the mean, with the variance over the count: as llama-perplexity computes it. */
  get error(): number {
    return this.#count < 2 ? Number.NaN : Math.sqrt(this.#squares / this.#count / (this.#count - 1));
  }

  get count(): number {
    return this.#count;
  }
}

/**
 * Scores logits as they come. Sums are f64. The formulas are those of llama-perplexity (llama.cpp, tools/perplexity/perplexity.cpp),
 * which rounds the base's probabilities to 16 bits, and here they are not rounded.
 */
export class EvaluationMeter {
  readonly #loss = new Mean();
  readonly #kl = new Mean();
  readonly #same = new Mean();
  readonly #ratio = new Mean();

  /**
   * @param logits [positions, vocabulary]
   * @param targets the right token of each position
   * @param base logits of the base model for the same positions
   * @throws FormatError where a logit is not a number
   */
  add(logits: Float32Array, targets: Int32Array, base?: Float32Array): void {
    const vocabulary = logits.length / targets.length;
    if (!Number.isInteger(vocabulary) || (base !== undefined && base.length !== logits.length)) {
      throw new UsageError(
        `${logits.length} logits, ${base?.length ?? "no"} logits of the base and ${targets.length} positions do not fit.`,
        base === undefined ? {} : { hint: "Compare models with the same vocabulary." },
      );
    }
    for (const [position, target] of targets.entries()) {
      if (target < 0 || target >= vocabulary) {
        throw new UsageError(`Token ${target} is not one of the model's ${vocabulary}.`, {
          hint: "Use the tokenizer of this model.",
        });
      }
      const start = position * vocabulary;
      const own = logits.subarray(start, start + vocabulary);
      const ownPeak = peakOf(own);
      const loss = -logShare(own[target]!, ownPeak);
      this.#loss.add(loss);
      if (base === undefined) continue;
      const other = base.subarray(start, start + vocabulary);
      const otherPeak = peakOf(other);
      this.#kl.add(divergence(other, otherPeak, own, ownPeak));
      this.#same.add(otherPeak.token === ownPeak.token ? 1 : 0);
      this.#ratio.add(loss + logShare(other[target]!, otherPeak));
    }
  }

  /** @throws UsageError where nothing was added */
  result(): Evaluation {
    const tokens = this.#loss.count;
    if (tokens === 0) {
      throw new UsageError("No position was scored.", {
        hint: "Use windows of at least 3 tokens: the second half of each is scored.",
      });
    }
    const perplexity = Math.exp(this.#loss.mean);
    const scores = { perplexity, perplexityError: perplexity * this.#loss.error, tokens };
    if (this.#kl.count === 0) return scores;
    return {
      ...scores,
      kl: this.#kl.mean,
      klError: this.#kl.error,
      sameTop: this.#same.mean,
      sameTopError: this.#same.error,
      logRatio: this.#ratio.mean,
      logRatioError: this.#ratio.error,
    };
  }
}

interface Peak {
  /** The most likely token, the first of several. */
  readonly token: number;
  readonly logit: number;
  /** ln Σ exp(logit − the largest logit). */
  readonly logSum: number;
}

/** The natural logarithm of a token's probability. */
function logShare(logit: number, peak: Peak): number {
  return logit - peak.logit - peak.logSum;
}

function peakOf(logits: Float32Array): Peak {
  let token = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[token]!) token = i;
  const largest = logits[token]!;
  let sum = 0;
  for (let i = 0; i < logits.length; i++) sum += Math.exp(logits[i]! - largest);
  const logSum = Math.log(sum);
  if (Number.isFinite(logSum)) return { token, logit: largest, logSum };
  throw new FormatError("The model computes logits that are not finite.", {
    reason: "not-finite",
    hint: "The weights are damaged.",
  });
}

/** Σ p (ln p − ln q), p by the base. */
function divergence(base: Float32Array, basePeak: Peak, own: Float32Array, ownPeak: Peak): number {
  let sum = 0;
  for (let i = 0; i < base.length; i++) {
    const logP = logShare(base[i]!, basePeak);
    const p = Math.exp(logP);
    // a token that is impossible for the base counts nothing, whatever the model says
    if (p > 0) sum += p * (logP - logShare(own[i]!, ownPeak));
  }
  return sum;
}
