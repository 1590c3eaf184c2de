/** The importance matrix of a model on a text, as llama-imatrix computes it. */
import {
  type CollectedEntry,
  type Compute,
  type DecoderSource,
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
import { runSteps, type Steps } from "./kept-steps.ts";
import type { MeasureControl } from "./progress.ts";
import { roomFor, type StatesRoom, type StatesSize } from "./states.ts";
import { type TextOptions, tokenizerOf, windowsOf } from "./text-windows.ts";

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
  const pass = await openImportancePass(compute, room, options);
  const states = room.make(pass.size);
  const sums = new Map<string, ImatrixEntry>();
  await runSteps({ ...pass, finished: 0, before: () => states }, async (_, entries) => {
    for (const [name, entry] of await sumsOf(entries)) sums.set(name, entry);
  });
  return measuredImportance(pass, sums, options);
}

/** A pass that sums squares, and what its matrix says of it. */
export interface ImportancePass extends Omit<Steps, "finished" | "before"> {
  readonly source: DecoderSource;
  readonly inputs: readonly LinearInput[];
  readonly size: StatesSize;
}

export async function openImportancePass(
  compute: Compute,
  room: StatesRoom,
  options: ImportanceMatrixOptions,
): Promise<ImportancePass> {
  const { model, signal, processOutput = false } = options;
  const source = await decoderSource(model, signal);
  const { inputs } = openForwardPass(source, "imatrix");
  const collector = new StatisticsCollector({ compute, inputs, keep: "squares" });
  const decoder = openForwardPass(source, "imatrix", {
    compute,
    observer: collector,
    makeStates: room.reused(),
  });
  const windows = windowsOf(await tokenizerOf(model), source.metadata, options);
  return {
    control: options,
    source,
    inputs,
    decoder,
    collector,
    windows,
    size: { windows: windows.length, tokens: windows[0]?.length ?? 0, columns: decoder.hidden },
    withHead: processOutput,
    withEmbedding: false,
  };
}

/** The sums of what one step has collected, under the names of the weights that own them. */
export async function sumsOf(entries: readonly CollectedEntry[]): Promise<ReadonlyMap<string, ImatrixEntry>> {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const found = new Map<string, ImatrixEntry>();
  const all = importanceSums({ names: [...byName.keys()], entryOf: (name) => byName.get(name) });
  for await (const [name, sums] of all) found.set(name, sums);
  return found;
}

/** The matrix of all sums: weights that share an input have the same entry, as in llama-imatrix. */
export function measuredImportance(
  { inputs, size }: Pick<ImportancePass, "inputs" | "size">,
  sums: ReadonlyMap<string, ImatrixEntry>,
  { dataset }: Pick<ImportanceMatrixOptions, "dataset">,
): MeasuredImportance {
  const entries = new Map(sums);
  for (const { name, sharedBy } of inputs) {
    const entry = sums.get(name);
    // the embedding that is also the head is looked up, and has no inputs of its own
    for (const other of sharedBy)
      if (entry !== undefined && other !== "token_embd.weight") entries.set(other, entry);
  }
  const tokens = [...sums].map(([name, { counts }]) => ({ name, tokens: counts }));
  return {
    imatrix: {
      form: "gguf",
      entries,
      datasets: dataset === undefined ? [] : [dataset],
      chunkCount: size.windows,
      chunkSize: size.tokens,
    },
    findings: unusedExpertFindings(tokens).map((found) => completeFinding(found)),
  };
}
