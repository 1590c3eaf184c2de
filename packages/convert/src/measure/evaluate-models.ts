/** Perplexity of a model, and its distance to a base model, whatever the formats of the two. */
import {
  type Compute,
  type Decoder,
  decoderLogits,
  type Evaluation,
  evaluateModel,
  type LogitSource,
  type TextTokenizer,
  wasmCompute,
} from "@requant/calibrate";
import { ConversionError, type Finding, UsageError, type WriteStore } from "@requant/core";
import { finding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { decoderSource } from "./decoder-source.ts";
import { openForwardPass } from "./forward-pass.ts";
import { type MeasureControl, StepCounter } from "./progress.ts";
import { roomFor, type StatesRoom } from "./states.ts";
import { joinedIds, type TextOptions, tokenizerOf, windowsOf } from "./text-windows.ts";

/** What is evaluated, and with what. */
export interface EvaluateModelsOptions
  extends MeasureControl,
    Pick<TextOptions, "text" | "window" | "chunks"> {
  readonly model: Model;
  /** Compare with this model; its tokenizer reads the text for both. */
  readonly base?: Model | undefined;
  /** The heavy steps; the caller closes it. Default: SIMD kernels on this thread. */
  readonly compute?: Compute | undefined;
  /** Where hidden states beyond the limit are kept while they are needed; in memory without. */
  readonly spill?: Pick<WriteStore, "name" | "stage"> | undefined;
  /** Bytes of hidden states that stay in memory where there is a place for more. Default 1 GiB. */
  readonly statesByteLength?: number | undefined;
}

/** An evaluation, and what it ran on. */
export interface ModelsEvaluation extends Evaluation {
  readonly windows: number;
  readonly window: number;
  readonly findings: readonly Finding[];
}

/** The first of these tokens is not scored, the second predicts the third. */
const LEAST_WINDOW = 3;

/**
 * Runs the base, then the model, layer by layer over all windows of the text, and compares what they predict.
 * Memory: one layer's weights, the heads, 1 GiB of hidden states where there is a place for more, and 64 MiB of logits for
 * each model.
 * @throws UsageError for a text that is too short, or windows that are, UnsupportedError for a family without a forward pass
 */
export async function evaluateModels(options: EvaluateModelsOptions): Promise<ModelsEvaluation> {
  const { model, base, window: asked, signal } = options;
  if (asked !== undefined && asked >= 1 && asked < LEAST_WINDOW) {
    throw new UsageError(
      `Nothing would be scored in windows of ${asked}: the second half of each is scored.`,
      {
        hint: `Give \`window\`: at least ${LEAST_WINDOW} tokens.`,
      },
    );
  }
  const compute = options.compute ?? wasmCompute();
  const room = roomFor(options);
  try {
    const subjects = await Promise.all(
      [base, model].map((each) => each && subjectOf(each, compute, room, signal)),
    );
    const [reference, own] = subjects;
    if (own === undefined) throw new UsageError("There is no model to evaluate.");
    if (reference !== undefined) refuseOtherVocabulary(own.decoder, reference.decoder);
    const { windows, findings } = await windowsFor(reference ?? own, own, options);
    const steps = (reference?.decoder.layers ?? 0) + own.decoder.layers + 1;
    const window = windows[0]?.length ?? 0;
    const counter = new StepCounter(options, steps, windows.length * window);
    const baseLogits = reference && (await runThrough(reference, windows, room, counter, 0));
    const ownLogits = await runThrough(own, windows, room, counter, reference?.decoder.layers ?? 0);
    const evaluation = await evaluateModel(ownLogits, {
      windows,
      base: baseLogits,
      signal,
      onWindow: (done, total) => counter.at(steps - 1 + done / total),
    });
    return { ...evaluation, windows: windows.length, window, findings };
  } finally {
    await room.close();
    if (options.compute === undefined) await compute.close();
  }
}

interface Subject {
  readonly model: Model;
  readonly source: Awaited<ReturnType<typeof decoderSource>>;
  readonly decoder: Decoder;
}

async function subjectOf(
  model: Model,
  compute: Compute,
  room: StatesRoom,
  signal: AbortSignal | undefined,
): Promise<Subject> {
  const source = await decoderSource(model, signal);
  return {
    model,
    source,
    decoder: openForwardPass(source, "evaluate", { compute, makeStates: room.reused() }),
  };
}

function refuseOtherVocabulary(own: Decoder, base: Decoder): void {
  if (own.vocabulary === base.vocabulary) return;
  throw new UsageError(
    `The model has ${own.vocabulary} tokens in its vocabulary, and the base has ${base.vocabulary}.`,
    { hint: "Compare with a model of the same vocabulary." },
  );
}

/** The base's tokens, which both models get; those of the model where the base has no tokenizer. */
async function windowsFor(
  reference: Subject,
  own: Subject,
  options: EvaluateModelsOptions,
): Promise<{ readonly windows: readonly Int32Array[]; readonly findings: readonly Finding[] }> {
  const read = (subject: Subject, tokenizer: TextTokenizer): Int32Array[] =>
    windowsOf(tokenizer, subject.source.metadata, options);
  const first = reference === own ? undefined : await tokenizerIfAny(reference.model);
  if (first === undefined) return { windows: read(own, await tokenizerOf(own.model)), findings: [] };
  const windows = read(reference, first);
  const second = await tokenizerIfAny(own.model);
  if (second === undefined || sameIds(windows, read(own, second))) return { windows, findings: [] };
  return {
    windows,
    findings: [
      finding(
        "tokenizer-differs",
        "The two tokenizers read this text differently: both models get the tokens of the base.",
        {},
        "Compare the tokenizers of the two models.",
      ),
    ],
  };
}

async function tokenizerIfAny(model: Model): Promise<TextTokenizer | undefined> {
  try {
    return await tokenizerOf(model);
  } catch (error) {
    if (error instanceof ConversionError) return undefined;
    throw error;
  }
}

function sameIds(a: readonly Int32Array[], b: readonly Int32Array[]): boolean {
  return (
    a.length === b.length &&
    a.every((window, index) => window.every((id, position) => id === b[index]?.[position]))
  );
}

/** @param before steps that are done as this pass begins */
async function runThrough(
  { decoder }: Subject,
  windows: readonly Int32Array[],
  room: StatesRoom,
  counter: StepCounter,
  before: number,
): Promise<LogitSource> {
  const tokens = windows[0]?.length ?? 0;
  const states = room.make({ windows: windows.length, tokens, columns: decoder.hidden });
  await decoder.embed(joinedIds(windows), states);
  for (let layer = 0; layer < decoder.layers; layer++) {
    await decoder.runLayer(layer, counter.watched(states, before + layer));
  }
  return decoderLogits(await decoder.openHead(), states, decoder.vocabulary);
}
