/** How far a measurement is, in tokens that went through the whole model. */
import type { HiddenStates } from "@requant/calibrate";

/** Tokens so far; a token that is through half of the layers counts half. */
export interface MeasureProgress {
  readonly done: number;
  readonly total: number;
}

/** What a caller wants to know, and when it stops. */
export interface MeasureControl {
  readonly signal?: AbortSignal | undefined;
  /** Called as the work goes on, with how much is done and how much there is: tokens, or searches for scales. */
  readonly onProgress?: ((progress: MeasureProgress) => void) | undefined;
}

/** Counts the steps of several passes over windows. */
export class StepCounter {
  readonly #control: MeasureControl;
  readonly #steps: number;
  readonly #tokens: number;
  #done = 0;

  /**
   * @param steps layers, of all models, and heads
   * @param tokens of all windows
   */
  constructor(control: MeasureControl, steps: number, tokens: number) {
    this.#control = control;
    this.#steps = steps;
    this.#tokens = tokens;
  }

  /** Sets how much is done, in steps; throws where the caller has stopped. */
  at(steps: number): void {
    this.#control.signal?.throwIfAborted();
    this.#done = Math.max(this.#done, steps);
    this.#control.onProgress?.({
      done: Math.round((this.#done / this.#steps) * this.#tokens),
      total: this.#tokens,
    });
  }

  /** Hidden states that count what a layer writes: the step is `before` as the layer begins. */
  watched(states: HiddenStates, before: number): HiddenStates {
    let written = 0;
    return {
      windows: states.windows,
      tokens: states.tokens,
      columns: states.columns,
      read: (window, out) => {
        this.#control.signal?.throwIfAborted();
        return states.read(window, out);
      },
      write: (window, values) => {
        written = Math.min(written + 1, states.windows);
        this.at(before + written / states.windows);
        return states.write(window, values);
      },
    };
  }
}
