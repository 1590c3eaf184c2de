/** The importance matrix of a model on a text, as llama-imatrix computes it. */
import {
  type CollectedEntry,
  type Compute,
  importanceSums,
  type LinearInput,
  StatisticsCollector,
  unusedExpertFindings,
  wasmCompute,
} from "@requant/calibrate";
import type { Finding, WriteStore } from "@requant/core";
import type { Imatrix, ImatrixEntry } from "@requant/gguf";
import { completeFinding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { decoderSource } from "./decoder-source.ts";
import { openForwardPass } from "./forward-pass.ts";
import { observeHead } from "./observe-head.ts";
import { type MeasureControl, StepCounter } from "./progress.ts";
import { roomFor, type StatesRoom } from "./states.ts";
import { joinedIds, type TextOptions, tokenizerOf, windowsOf } from "./text-windows.ts";

/** What is measured, and how. */
export interface ImportanceMatrixOptions
  extends MeasureControl,
    Pick<TextOptions, "text" | "window" | "chunks"> {
  readonly model: Model;
  /** What the file says it was made from. */
  readonly dataset?: string | undefined;
  /** Also the head, which llama-imatrix leaves out unless it is asked for. */
  readonly processOutput?: boolean | undefined;
  /** The heavy steps; the caller closes it. Default: SIMD kernels on this thread. */
  readonly compute?: Compute | undefined;
  /** Where hidden states beyond the limit are kept while they are needed; in memory without. */
  readonly spill?: Pick<WriteStore, "name" | "stage"> | undefined;
  /** Bytes of hidden states that stay in memory where there is a place for more. Default 1 GiB. */
  readonly statesByteLength?: number | undefined;
}

/** The matrix, and what to know about it. */
export interface MeasuredImportance {
  readonly imatrix: Imatrix;
  /** "unused-expert". */
  readonly findings: readonly Finding[];
}

/**
 * Runs the model over the windows of the text and sums the squares of what enters each weight.
 * Memory: one layer's weights, 1 GiB of hidden states where there is a place for more, and the matrix.
 * @throws UsageError for a text that is too short, UnsupportedError for a family without a forward pass
 */
export async function importanceMatrix(options: ImportanceMatrixOptions): Promise<MeasuredImportance> {
  const compute = options.compute ?? wasmCompute();
  const room = roomFor(options);
  try {
    return await measureWith(compute, room, options);
  } finally {
    await room.close();
    if (options.compute === undefined) await compute.close();
  }
}

async function measureWith(
  compute: Compute,
  room: StatesRoom,
  options: ImportanceMatrixOptions,
): Promise<MeasuredImportance> {
  const { model, signal, processOutput = false, dataset } = options;
  const source = await decoderSource(model, signal);
  const { inputs } = openForwardPass(source, "imatrix");
  const collector = new StatisticsCollector({ compute, inputs, keep: "squares" });
  const decoder = openForwardPass(source, "imatrix", {
    compute,
    observer: collector,
    makeStates: room.reused(),
  });
  const windows = windowsOf(await tokenizerOf(model), source.metadata, options);
  const window = windows[0]?.length ?? 0;
  const states = room.make({ windows: windows.length, tokens: window, columns: decoder.hidden });
  const counter = new StepCounter(options, decoder.layers + (processOutput ? 1 : 0), windows.length * window);
  const entries = new Map<string, ImatrixEntry>();
  const findings: Finding[] = [];
  const take = async (): Promise<void> => {
    const taken = await collector.take();
    for (const found of unusedExpertFindings(taken)) findings.push(completeFinding(found));
    for (const [name, entry] of await entriesOf(taken, inputs)) entries.set(name, entry);
    for (const entry of taken) entry.release();
  };
  await decoder.embed(joinedIds(windows), states);
  for (let layer = 0; layer < decoder.layers; layer++) {
    await decoder.runLayer(layer, counter.watched(states, layer));
    await take();
  }
  if (processOutput) {
    await observeHead(decoder, states, counter);
    await take();
  }
  return {
    imatrix: {
      form: "gguf",
      entries,
      datasets: dataset === undefined ? [] : [dataset],
      chunkCount: windows.length,
      chunkSize: window,
    },
    findings,
  };
}

/** Weights that share an input have the same entry, as in llama-imatrix. */
async function entriesOf(
  taken: readonly CollectedEntry[],
  inputs: readonly LinearInput[],
): Promise<ReadonlyMap<string, ImatrixEntry>> {
  const byName = new Map(taken.map((entry) => [entry.name, entry]));
  const owners = new Map<string, CollectedEntry>(byName);
  for (const { name, sharedBy } of inputs) {
    const entry = byName.get(name);
    // the embedding that is also the head is looked up, and has no inputs of its own
    for (const other of sharedBy)
      if (entry !== undefined && other !== "token_embd.weight") owners.set(other, entry);
  }
  const found = new Map<string, ImatrixEntry>();
  for await (const [name, sums] of importanceSums({
    names: [...owners.keys()],
    entryOf: (name) => owners.get(name),
  })) {
    found.set(name, sums);
  }
  return found;
}
