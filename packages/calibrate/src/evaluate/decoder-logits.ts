import type { DecoderHead } from "../decoder/head.ts";
import type { HiddenStates } from "../hidden-states.ts";
import type { LogitSource } from "./evaluate.ts";

/** The logits of a decoder whose last layer has run over all windows. */
export function decoderLogits(head: DecoderHead, states: HiddenStates, vocabulary: number): LogitSource {
  const { tokens, columns } = states;
  const rows = new Float32Array(tokens * columns);
  let loaded = -1;
  return {
    vocabulary,
    async logits(window, start, end, out) {
      if (loaded !== window) await states.read(window, rows);
      loaded = window;
      await head.logits(rows.subarray(start * columns, end * columns), out);
    },
  };
}
