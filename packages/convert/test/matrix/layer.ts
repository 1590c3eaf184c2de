/** The layer that every cell of the first table converts, and what is known of it once it is stored. */
import type { IntegerView, LevelView, StoredView, ViewFacts } from "@requant/core/view";

export const rows = 64;
export const columns = 512;

/** Bell-shaped weights with some large columns, and the same numbers at every run. */
export const weights: Float32Array = (() => {
  let state = 12345;
  const uniform = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32 - 0.5;
  };
  const large = Float32Array.from({ length: columns }, () => (uniform() > 0.45 ? 4 : 1));
  return Float32Array.from(
    { length: rows * columns },
    (_, i) => (uniform() + uniform() + uniform() + uniform() / 4) * 0.03 * large[i % columns]!,
  );
})();

/** A stored layer: its view, how its columns are grouped, and what its own decoder says. */
export interface Stored {
  /** Undefined where the format's arithmetic is no view's. */
  readonly view: StoredView | undefined;
  /** Set where the format stores one scale for the whole weight: the view without it. */
  readonly unscaled?: { readonly view: LevelView; readonly scale: number } | undefined;
  readonly grouping: { readonly groupSize: number | undefined; readonly groupCount: number };
  readonly values: Float32Array;
}

/** One that a plan judges by the facts of its small parts. */
export interface Source extends Stored {
  readonly view: IntegerView;
  readonly facts: ViewFacts;
}
