/** One window of queries, keys and values, and where its result goes. All arrays are [tokens, heads, headLength]. */
export interface AttentionWindow {
  readonly queries: Float32Array;
  readonly keys: Float32Array;
  readonly values: Float32Array;
  readonly out: Float32Array;
  readonly tokens: number;
  readonly heads: number;
  /** Several heads of queries in a row share one head of keys and values. */
  readonly keyHeads: number;
  readonly headLength: number;
  readonly scale: number;
  /** Scores are bounded to ±cap by tanh; 0 for no bound. */
  readonly cap: number;
  /** A token sees itself and the tokens before it, at most so many; 0 for all. */
  readonly reach: number;
}

/** Causal attention of one head of one window: softmax(scale · q kᵀ) v. */
function attendHead(window: AttentionWindow, head: number, scores: Float64Array): void {
  const { queries, keys, values, out, tokens, heads, keyHeads, headLength, scale, cap, reach } = window;
  const keyHead = Math.floor(head / (heads / keyHeads));
  const keyStep = keyHeads * headLength;
  for (let token = 0; token < tokens; token++) {
    const at = (token * heads + head) * headLength;
    const first = reach === 0 ? 0 : Math.max(0, token - reach + 1);
    let largest = Number.NEGATIVE_INFINITY;
    for (let other = first; other <= token; other++) {
      const key = other * keyStep + keyHead * headLength;
      let score = 0;
      for (let i = 0; i < headLength; i++) score += queries[at + i]! * keys[key + i]!;
      score *= scale;
      if (cap !== 0) score = cap * Math.tanh(score / cap);
      scores[other] = score;
      if (score > largest) largest = score;
    }
    let sum = 0;
    for (let other = first; other <= token; other++) {
      const share = Math.exp(scores[other]! - largest);
      scores[other] = share;
      sum += share;
    }
    for (let i = 0; i < headLength; i++) {
      let mixed = 0;
      for (let other = first; other <= token; other++) {
        mixed += scores[other]! * values[other * keyStep + keyHead * headLength + i]!;
      }
      out[at + i] = mixed / sum;
    }
  }
}

/** All heads of all windows, one after the other. */
export function attend(windows: readonly AttentionWindow[]): void {
  for (const window of windows) {
    const scores = new Float64Array(window.tokens);
    for (let head = 0; head < window.heads; head++) attendHead(window, head, scores);
  }
}
