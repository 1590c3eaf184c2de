/** What statistics of a text will be, before the model runs: its windows, and where every byte of the file goes. */
import {
  type DecoderSource,
  type LinearInput,
  layoutStatistics,
  type StatisticsShape,
  sharedNames,
} from "@requant/calibrate";
import type { SafetensorsLayout } from "@requant/safetensors";
import type { Model } from "../model/model.ts";
import { modelIdentity } from "../model/model-identity.ts";
import { decoderSource } from "./decoder-source.ts";
import { openForwardPass } from "./forward-pass.ts";
import { runOf } from "./kept-steps.ts";
import { entryShapes } from "./statistics-plan.ts";
import { type TextOptions, tokenizerOf, windowsOf } from "./text-windows.ts";

/** Which windows of which text. */
export interface DescribedText extends Pick<TextOptions, "text" | "window" | "samples" | "seed"> {
  /** Only some of the windows that are chosen. */
  readonly only?: { readonly start: number; readonly end: number } | undefined;
  /** False: without the rows of the embeddings, which are the same for all windows. */
  readonly embedding?: boolean | undefined;
}

/** Windows where nothing else is asked for, if the text has so many: spread evenly over it. */
export const DEFAULT_SAMPLES = 128;

export interface DescribedStatistics {
  readonly source: DecoderSource;
  readonly inputs: readonly LinearInput[];
  readonly windows: readonly Int32Array[];
  /** Tokens of a window. */
  readonly window: number;
  /** Identifies the shapes of the model and the tokens of the windows. */
  readonly run: string;
  readonly shapes: readonly StatisticsShape[];
  /** The entry that is of the vocabulary and not of the text, where there is one. */
  readonly embedding: string | undefined;
  readonly layout: SafetensorsLayout;
}

/** @throws UsageError for a text that is too short, UnsupportedError for a family without a forward pass */
export async function describeStatistics(
  model: Model,
  text: DescribedText,
  signal?: AbortSignal,
): Promise<DescribedStatistics> {
  const source = await decoderSource(model, signal);
  const decoder = openForwardPass(source, "calibrate");
  const all = windowsOf(await tokenizerOf(model), source.metadata, { ...text, most: DEFAULT_SAMPLES });
  const windows = all.slice(text.only?.start, text.only?.end);
  const window = windows[0]?.length ?? 0;
  const run = runOf(source, windows);
  const { inputs } = decoder;
  const embeddingInput = text.embedding === false ? undefined : decoder.embeddingInput;
  const shapes = entryShapes({ inputs, embeddingInput });
  const layout = layoutStatistics(shapes, {
    shared: sharedNames(inputs),
    windows: windows.length,
    window,
    more: { ...(await modelIdentity(source)), run },
  });
  return { source, inputs, windows, window, run, shapes, embedding: embeddingInput?.name, layout };
}
