/** The experts of each token and their weights: [tokens, chosen]. */
export interface Routes {
  readonly experts: Int32Array;
  readonly weights: Float32Array;
}

export interface RouterSettings {
  readonly experts: number;
  /** Experts of each token. */
  readonly chosen: number;
  /** Whether the weights of the chosen experts are divided by their sum. */
  readonly normalized: boolean;
}

/**
 * Chooses the experts with the largest shares of softmax(logits), the first of equal ones (llama.cpp,
 * src/llama-graph.cpp, build_moe_ffn).
 * @param logits [tokens, experts]; overwritten
 */
export function route(logits: Float32Array, settings: RouterSettings): Routes {
  const { experts, chosen, normalized } = settings;
  const tokens = logits.length / experts;
  const routes: Routes = {
    experts: new Int32Array(tokens * chosen),
    weights: new Float32Array(tokens * chosen),
  };
  for (let token = 0; token < tokens; token++) {
    const start = token * experts;
    let largest = Number.NEGATIVE_INFINITY;
    for (let i = start; i < start + experts; i++) largest = Math.max(largest, logits[i]!);
    let all = 0;
    for (let i = start; i < start + experts; i++) all += Math.exp(logits[i]! - largest);
    let kept = 0;
    for (let rank = 0; rank < chosen; rank++) {
      let best = start;
      for (let i = start + 1; i < start + experts; i++) if (logits[i]! > logits[best]!) best = i;
      const share = Math.exp(logits[best]! - largest) / all;
      logits[best] = Number.NEGATIVE_INFINITY;
      routes.experts[token * chosen + rank] = best - start;
      routes.weights[token * chosen + rank] = share;
      kept += share;
    }
    if (!normalized) continue;
    for (let rank = 0; rank < chosen; rank++) routes.weights[token * chosen + rank]! /= kept;
  }
  return routes;
}
