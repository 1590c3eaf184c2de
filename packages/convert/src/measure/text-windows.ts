/** A text as windows of a model's tokens. */
import {
  bosOf,
  openTokenizer,
  type TextTokenizer,
  textWindows,
  type WindowOptions,
} from "@requant/calibrate";
import { type Metadata, UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import { modelTokenizer } from "./model-tokenizer.ts";

/** How a text is read. */
export interface TextOptions extends Pick<WindowOptions, "samples" | "seed" | "chunks"> {
  readonly text: string;
  /** Tokens of a window. Default 512, as in llama.cpp's tools. */
  readonly window?: number | undefined;
  /** Without `samples`: at most so many windows, spread evenly over the text. */
  readonly most?: number | undefined;
}

/** Tokens of a window where nothing else is asked for. */
export const DEFAULT_WINDOW = 512;

export async function tokenizerOf(model: Model): Promise<TextTokenizer> {
  const { tokenizer, config } = await modelTokenizer(model);
  const encoded = (value: object): Uint8Array => new TextEncoder().encode(JSON.stringify(value));
  return openTokenizer({ tokenizer: encoded(tokenizer), config: encoded(config) });
}

/**
 * All windows of the text, or those that the options choose.
 * @throws UsageError where the text is too short, and for a seed that has nothing to choose
 */
export function windowsOf(
  tokenizer: TextTokenizer,
  metadata: Metadata,
  { text, window = DEFAULT_WINDOW, samples, seed, chunks, most = Number.POSITIVE_INFINITY }: TextOptions,
): Int32Array[] {
  if (text.includes("\0")) {
    throw new UsageError("The text has zero bytes: it is not text.", {
      hint: "Give a file of plain text, in UTF-8.",
    });
  }
  const tokens = tokenizer.encode(text);
  const cut = (count: number | undefined): Int32Array[] =>
    textWindows(tokens, { window, samples: count, seed, chunks, bos: bosOf(metadata) });
  const all = cut(undefined);
  const count = samples ?? (all.length > most ? most : undefined);
  if (seed !== undefined && (count ?? all.length) === all.length) {
    throw new UsageError(`\`seed\` changes nothing: all ${all.length} windows of the text are taken.`, {
      hint: "Leave it out, or give `samples`: a number of windows below that.",
    });
  }
  return count === undefined ? all : cut(count);
}

/** ids[windows, tokens] */
export function joinedIds(windows: readonly Int32Array[]): Int32Array {
  const tokens = windows[0]?.length ?? 0;
  const ids = new Int32Array(windows.length * tokens);
  for (const [index, window] of windows.entries()) ids.set(window, index * tokens);
  return ids;
}
