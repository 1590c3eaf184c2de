import type { Decoder, HiddenStates } from "@requant/calibrate";
import type { StepCounter } from "./progress.ts";

/** Hands the inputs of the head to the decoder's observer, window after window; the last step of a pass. */
export async function observeHead(
  decoder: Decoder,
  states: HiddenStates,
  counter: StepCounter,
): Promise<void> {
  const head = await decoder.openHead();
  const values = new Float32Array(states.tokens * states.columns);
  for (let window = 0; window < states.windows; window++) {
    await states.read(window, values);
    await head.observe(values);
    counter.at(decoder.layers + (window + 1) / states.windows);
  }
}
