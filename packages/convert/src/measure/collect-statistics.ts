/** Statistics of the inputs of all linear layers, layer by layer into a file. */
import {
  type Compute,
  StatisticsCollector,
  type StatisticsEntry,
  statisticsTensors,
  unusedExpertFindings,
  wasmCompute,
} from "@requant/calibrate";
import { type Finding, type StagedFile, UsageError } from "@requant/core";
import type { SafetensorsLayout } from "@requant/safetensors";
import { completeFinding } from "../model/findings/finding.ts";
import type { Model } from "../model/model.ts";
import { sourceVersions } from "../model/source-versions.ts";
import { type OutputStore, outputExists, refuseSourceFiles } from "../run/outputs/store.ts";
import { type DescribedText, describeStatistics } from "./described-statistics.ts";
import { isStatisticsOf } from "./finished-statistics.ts";
import { openForwardPass } from "./forward-pass.ts";
import {
  EXPERT_SUMS_BYTE_LENGTH,
  endFailed,
  keptStates,
  keptStatesByteLength,
  runSteps,
  type Steps,
  stageOf,
} from "./kept-steps.ts";
import type { MeasureControl } from "./progress.ts";
import { StatesRoom, type StatesSize } from "./states.ts";
import {
  type FinishedStep,
  headLine,
  otherRun,
  parseStatisticsJournal,
  stepLine,
} from "./statistics-journal.ts";

/** What is collected, and where it goes. */
export interface CollectStatisticsOptions extends MeasureControl, DescribedText {
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
  /** False: an interrupted run leaves nothing for a later one. */
  readonly keep?: boolean | undefined;
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

/**
 * Runs the model over windows of the text and writes, after each layer, the statistics of its weights to their places in the file.
 * Memory: one layer's weights and its sums (4 × columns² bytes for each input, times the experts that were reached), and
 * a batch of hidden states, all of which lie in a working file beside the statistics.
 * @throws UsageError for a text that is too short, UnsupportedError for a family without a forward pass
 */
export async function collectStatistics(options: CollectStatisticsOptions): Promise<CollectReport> {
  await refuseSourceFiles(options.model, options.store, [options.file]);
  const compute = options.compute ?? wasmCompute();
  try {
    return await collectWith(compute, options);
  } finally {
    if (options.compute === undefined) await compute.close();
  }
}

async function collectWith(compute: Compute, options: CollectStatisticsOptions): Promise<CollectReport> {
  const { model, store, file, resume = false, signal } = options;
  const described = await describeStatistics(model, options, signal);
  const { source, inputs, windows, window, run, shapes, layout } = described;
  const room = new StatesRoom(store, `${file}.experts`, EXPERT_SUMS_BYTE_LENGTH);
  const collector = new StatisticsCollector({ compute, inputs });
  const decoder = openForwardPass(source, "calibrate", {
    compute,
    observer: collector,
    makeStates: room.reused(),
  });
  const report = { windows: windows.length, window, entries: shapes.length, byteLength: layout.byteLength };
  if (await isFinished(options, run)) return { ...report, resumed: decoder.layers + 1, findings: [] };
  const stage = stageOf(store);
  const size = { windows: windows.length, tokens: window, columns: decoder.hidden };
  const statistics = await stage(file, { byteLength: layout.byteLength, resume });
  let states: StagedFile | undefined;
  let begun = false;
  try {
    // an interrupted run, unlike its result, knows the very files that it read
    const head = `${run} ${JSON.stringify(await sourceVersions(model))}`;
    const journal = parseStatisticsJournal(statistics.journal, head, statistics.name);
    states = await stage(`${file}.states`, { byteLength: keptStatesByteLength(size), resume });
    await statistics.cutJournal(journal.byteLength);
    begun = true;
    if (journal.byteLength === 0) await statistics.log(headLine(head));
    await statistics.write(layout.header, 0);
    const withEmbedding = options.embedding !== false;
    const pass = {
      control: options,
      decoder,
      collector,
      windows,
      withEmbedding,
      layout,
      statistics,
      states,
      size,
    };
    const steps = await collectFrom(pass, journal.steps);
    await statistics.publish();
    await statistics.finish();
    await states.discard();
    return { ...report, resumed: journal.steps.length, findings: findingsOf(steps) };
  } catch (error) {
    const { keep, onFinding } = options;
    await endFailed([statistics, states], error, { begun, keep, onFinding });
    throw error;
  } finally {
    await room.close();
  }
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

interface Collection extends Omit<Steps, "finished" | "withHead" | "before"> {
  readonly layout: SafetensorsLayout;
  readonly statistics: StagedFile;
  readonly states: StagedFile;
  readonly size: StatesSize;
}

/** Does the steps that are left: the layers, and the head as the last. Returns all steps. */
async function collectFrom(
  { layout, statistics, states, size, ...pass }: Collection,
  finished: readonly FinishedStep[],
): Promise<readonly FinishedStep[]> {
  const steps = [...finished];
  const left = {
    ...pass,
    finished: finished.length,
    withHead: true,
    before: keptStates(states, size),
  };
  await runSteps(left, async (step, entries) => {
    await states.sync();
    const tokens: Record<string, number[]> = {};
    for (const entry of entries) {
      tokens[entry.name] = [...entry.tokens];
      await writeEntry(entry, layout, statistics);
    }
    await statistics.sync();
    await statistics.log(stepLine({ step, tokens }));
    steps.push({ step, tokens });
  });
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
