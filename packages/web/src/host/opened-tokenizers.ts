/** The tokenizers of open models that were asked for. The code that opens one is loaded with the first. */
import type { Tokenizer } from "@huggingface/tokenizers";

export interface HostTokenizer {
  readonly tokenizer: Tokenizer;
  /** The text of each token, by its number; holes are numbers without a token. */
  readonly pieces: readonly (string | undefined)[];
}

const opened = new Map<number, Promise<HostTokenizer>>();

export function keptTokenizer(id: number, open: () => Promise<HostTokenizer>): Promise<HostTokenizer> {
  const known = opened.get(id);
  if (known !== undefined) return known;
  const opening = open();
  opened.set(id, opening);
  opening.catch(() => opened.delete(id));
  return opening;
}

export function forgetTokenizer(id: number): void {
  opened.delete(id);
}
