/** Comparisons of two open models. They outlive the views. */
import { type Signal, signal } from "@preact/signals";
import { call, refusalFrom } from "../host/client.ts";
import type { ComparedModels, PairRequest } from "../host/methods/compare.ts";
import type { Refusal } from "../host/protocol.ts";

export type ComparisonState =
  | { readonly kind: "none" }
  | { readonly kind: "running"; readonly share: number }
  | { readonly kind: "done"; readonly compared: ComparedModels }
  | { readonly kind: "refused"; readonly refusal: Refusal };

export class Comparison {
  readonly state: Signal<ComparisonState> = signal({ kind: "none" });
  readonly pair: PairRequest;
  private abort = new AbortController();

  constructor(pair: PairRequest) {
    this.pair = pair;
  }

  async start(): Promise<void> {
    if (this.state.value.kind === "running") return;
    this.abort = new AbortController();
    this.state.value = { kind: "running", share: 0 };
    const onProgress = (value: unknown): void => {
      this.state.value = { kind: "running", share: (value as { share: number }).share };
    };
    try {
      const compared = await call("compare", this.pair, { signal: this.abort.signal, onProgress });
      this.state.value = { kind: "done", compared };
    } catch (error) {
      const refusal = refusalFrom(error);
      this.state.value = refusal.isStopped ? { kind: "none" } : { kind: "refused", refusal };
    }
  }

  stop(): void {
    this.abort.abort();
  }
}

const comparisons = new Map<string, Comparison>();

export function comparisonOf({ a, b }: PairRequest): Comparison {
  const key = `${String(a)} ${String(b)}`;
  const known = comparisons.get(key) ?? new Comparison({ a, b });
  comparisons.set(key, known);
  return known;
}

/** Stops what runs for a model that is closed, and forgets its results. */
export function forgetComparisons(modelId: number): void {
  for (const [key, comparison] of comparisons) {
    const { a, b } = comparison.pair;
    if (a !== modelId && b !== modelId) continue;
    comparison.stop();
    comparisons.delete(key);
  }
}
