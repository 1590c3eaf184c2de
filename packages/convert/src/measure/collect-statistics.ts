/** Statistics of the inputs of all linear layers, layer by layer into a file. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import {
  type Compute,
  type Decoder,
  type DecoderSource,
  type HiddenStates,
  layoutStatistics,
  StatisticsCollector,
  type StatisticsEntry,
  sharedNames,
  statisticsTensors,
  unusedExpertFindings,
  wasmCompute,
} from "@requant/calibrate";
import { type Finding, IoError, type StagedFile, UnsupportedError, UsageError } from "@requant/core";
import type { SafetensorsLayout } from "@requant/safetensors";
import { completeFinding, finding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { modelIdentity } from "../model/model-identity.ts";
import { sourceVersions } from "../model/source-versions.ts";
import { type OutputStore, outputExists } from "../run/outputs/store.ts";
import { decoderSource } from "./decoder-source.ts";
import { isStatisticsOf } from "./finished-statistics.ts";
import { openForwardPass } from "./forward-pass.ts";
import { observeHead } from "./observe-head.ts";
import { type MeasureControl, StepCounter } from "./progress.ts";
import { handedOver, StatesRoom, stagedStates, statesByteLength } from "./states.ts";
import {
  type FinishedStep,
  headLine,
  otherRun,
  parseStatisticsJournal,
  stepLine,
} from "./statistics-journal.ts";
import { entryShapes } from "./statistics-plan.ts";
import { joinedIds, type TextOptions, tokenizerOf, windowsOf } from "./text-windows.ts";

/** What is collected, and where it goes. */
export interface CollectStatisticsOptions
  extends MeasureControl,
    Pick<TextOptions, "text" | "window" | "samples" | "seed"> {
  readonly model: Model;
  /** A folder on a disk. */
  readonly store: OutputStore;
  /** The name of the file in it. */
  readonly file: string;
  /** The heavy steps; the caller closes it. Default: SIMD kernels on this thread. */
  readonly compute?: Compute | undefined;
  /** Do not refuse a file that exists. The store must be one that overwrites. */
  readonly overwrite?: boolean | undefined;
  /** Go on after the last layer that an interrupted run of the same settings has finished; take a file that it has finished. */
  readonly resume?: boolean | undefined;
  /** What a person may want to know while it runs: "kept", when it is interrupted and can be resumed. */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}

/** What was collected. */
export interface CollectReport {
  readonly windows: number;
  readonly window: number;
  readonly entries: number;
  readonly byteLength: number;
  /** Layers, with the head, that an earlier run had finished. */
  readonly resumed: number;
  /** "unused-expert". */
  readonly findings: readonly Finding[];
}

/** Windows where nothing else is asked for, if the text has so many: spread evenly over it. */
export const DEFAULT_SAMPLES = 128;

/**
 * Runs the model over windows of the text and writes, after each layer, the statistics of its weights to their places in the file.
 * Memory: one layer's weights and its sums (4 × columns² bytes for each input, times the experts that were reached), and
 * a batch of hidden states, all of which lie in a working file beside the statistics.
 * @throws UsageError for a text that is too short, UnsupportedError for a family without a forward pass
 */
export async function collectStatistics(options: CollectStatisticsOptions): Promise<CollectReport> {
  const compute = options.compute ?? wasmCompute();
  try {
    return await collectWith(compute, options);
  } finally {
    if (options.compute === undefined) await compute.close();
  }
}

async function collectWith(compute: Compute, options: CollectStatisticsOptions): Promise<CollectReport> {
  const { model, store, file, resume = false, signal } = options;
  const source = await decoderSource(model, signal);
  const room = new StatesRoom(store, `${file}.experts`, EXPERT_SUMS_BYTE_LENGTH);
  const inputs = openForwardPass(source, "calibrate").inputs;
  const collector = new StatisticsCollector({ compute, inputs });
  const decoder = openForwardPass(source, "calibrate", {
    compute,
    observer: collector,
    makeStates: room.reused(),
  });
  const windows = windowsOf(await tokenizerOf(model), source.metadata, { ...options, most: DEFAULT_SAMPLES });
  const window = windows[0]?.length ?? 0;
  const run = runOf(source, windows);
  const shapes = entryShapes(decoder);
  const layout = layoutStatistics(shapes, {
    shared: sharedNames(inputs),
    windows: windows.length,
    window,
    more: { ...(await modelIdentity(source)), run },
  });
  const report = { windows: windows.length, window, entries: shapes.length, byteLength: layout.byteLength };
  if (await isFinished(options, run)) return { ...report, resumed: decoder.layers + 1, findings: [] };
  const stage = store.stage?.bind(store);
  if (stage === undefined) {
    throw new UnsupportedError("Statistics are written to a folder on a disk, and this is none.", {
      path: store.name,
    });
  }
  const size = { windows: windows.length, tokens: window, columns: decoder.hidden };
  const statistics = await stage(file, { byteLength: layout.byteLength, resume });
  let states: StagedFile | undefined;
  let begun = false;
  try {
    // an interrupted run, unlike its result, knows the very files that it read
    const head = `${run} ${JSON.stringify(await sourceVersions(model))}`;
    const journal = parseStatisticsJournal(statistics.journal, head, statistics.name);
    states = await stage(`${file}.states`, { byteLength: 2 * statesByteLength(size), resume });
    await statistics.cutJournal(journal.byteLength);
    begun = true;
    if (journal.byteLength === 0) await statistics.log(headLine(head));
    await statistics.write(layout.header, 0);
    const pass: Collection = { options, decoder, collector, layout, statistics, states, size };
    const steps = await collectFrom(pass, journal.steps, windows);
    await statistics.publish();
    await statistics.finish();
    await states.discard();
    return { ...report, resumed: journal.steps.length, findings: findingsOf(steps) };
  } catch (error) {
    // what another run has left is its own
    const keeps = !begun || isInterruption(error);
    for (const each of [statistics, states]) await (keeps ? each?.keep() : each?.discard());
    if (begun && keeps)
      options.onFinding?.(finding("kept", "The finished layers are kept beside the output."));
    throw error;
  } finally {
    await room.close();
  }
}

/** After a signal or a fault of the disk, a later run can go on. */
function isInterruption(error: unknown): boolean {
  return error instanceof IoError || (error instanceof Error && error.name === "AbortError");
}

/** Bytes of the sums of experts in memory; more lie in a working file. */
const EXPERT_SUMS_BYTE_LENGTH = 2 ** 28;

/** Everything that decides the numbers, but not the weights and how they are computed. */
function runOf({ shapes }: DecoderSource, windows: readonly Int32Array[]): string {
  const hash = sha256.create();
  hash.update(utf8ToBytes(JSON.stringify([...shapes])));
  hash.update(utf8ToBytes(`${windows.length} ${windows[0]?.length}`));
  const ids = joinedIds(windows);
  hash.update(new Uint8Array(ids.buffer, ids.byteOffset, ids.byteLength));
  return bytesToHex(hash.digest());
}

/** Whether the file is there already and is what would be made. @throws IoError, UsageError for another file */
async function isFinished(
  { store, file, overwrite = false, resume = false }: CollectStatisticsOptions,
  run: string,
): Promise<boolean> {
  const found = await store.open(file);
  if (found === undefined) return false;
  await found.close();
  if (resume) {
    if (await isStatisticsOf(store, file, run)) return true;
    throw otherRun(`${store.name}/${file}`);
  }
  if (overwrite) return false;
  throw outputExists(store, file);
}

interface Collection {
  readonly options: CollectStatisticsOptions;
  readonly decoder: Decoder;
  readonly collector: StatisticsCollector;
  readonly layout: SafetensorsLayout;
  readonly statistics: StagedFile;
  readonly states: StagedFile;
  readonly size: Pick<HiddenStates, "windows" | "tokens" | "columns">;
}

/** Does the steps that are left: the layers, and the head as the last. Returns all steps. */
async function collectFrom(
  { options, decoder, collector, layout, statistics, states, size }: Collection,
  finished: readonly FinishedStep[],
  windows: readonly Int32Array[],
): Promise<readonly FinishedStep[]> {
  const counter = new StepCounter(options, decoder.layers + 1, size.windows * size.tokens);
  /** Each layer reads one half of the file and writes the other, so that an interrupted one has changed nothing. */
  const before = (step: number): HiddenStates =>
    stagedStates(states, (step % 2) * statesByteLength(size), size);
  if (finished.length === 0) await decoder.embed(joinedIds(windows), before(0));
  const steps = [...finished];
  for (let step = finished.length; step <= decoder.layers; step++) {
    counter.at(step);
    if (step < decoder.layers) {
      // the embeddings are read by the first layer's weights
      if (step === 0) await decoder.observeEmbedding();
      await decoder.runLayer(step, counter.watched(handedOver(before(step), before(step + 1)), step));
      await states.sync();
    } else await observeHead(decoder, before(step), counter);
    const tokens: Record<string, number[]> = {};
    for (const entry of await collector.take()) {
      tokens[entry.name] = [...entry.tokens];
      await writeEntry(entry, layout, statistics);
      entry.release();
    }
    await statistics.sync();
    await statistics.log(stepLine({ step, tokens }));
    steps.push({ step, tokens });
  }
  counter.at(decoder.layers + 1);
  return steps;
}

/** Writes the parts of an entry to their places. */
async function writeEntry(
  entry: StatisticsEntry,
  { tensors }: SafetensorsLayout,
  file: StagedFile,
): Promise<void> {
  const places = new Map(tensors.map(({ name, byteOffset }) => [name, byteOffset]));
  for (const { name, data } of statisticsTensors(entry)) {
    let at = places.get(name);
    if (at === undefined)
      throw new UsageError("The layer has an input that was not announced.", { tensor: name });
    for await (const bytes of typeof data === "function" ? data() : data) {
      await file.write(bytes, at);
      at += bytes.byteLength;
    }
  }
}

function findingsOf(steps: readonly FinishedStep[]): Finding[] {
  const entries = steps.flatMap(({ tokens }) =>
    Object.entries(tokens).map(([name, counts]) => ({ name, tokens: counts })),
  );
  return unusedExpertFindings(entries).map((found) => completeFinding(found));
}
