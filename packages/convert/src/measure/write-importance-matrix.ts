/** An importance matrix into a file. What each layer has summed is kept on the disk until the file is written. */
import { wasmCompute } from "@requant/calibrate";
import { type Finding, type StagedFile, UsageError } from "@requant/core";
import {
  type Imatrix,
  type ImatrixEntry,
  type ImatrixForm,
  mergeImatrices,
  writeImatrix,
} from "@requant/gguf";
import { sourceVersions } from "../model/source-versions.ts";
import { type OutputStore, outputExists, refuseSourceFiles } from "../run/outputs/store.ts";
import {
  type ImportanceMatrixOptions,
  type ImportancePass,
  type MeasuredImportance,
  measuredImportance,
  openImportancePass,
  sumsOf,
} from "./importance-matrix.ts";
import {
  EXPERT_SUMS_BYTE_LENGTH,
  endFailed,
  keptStates,
  keptStatesByteLength,
  runOf,
  runSteps,
  stageOf,
} from "./kept-steps.ts";
import { StatesRoom } from "./states.ts";
import { type FinishedStep, headLine, parseStatisticsJournal, stepLine } from "./statistics-journal.ts";

/** What is measured, and where the file goes. */
export interface WriteImportanceMatrixOptions
  extends Omit<ImportanceMatrixOptions, "spill" | "statesByteLength"> {
  /** A folder on a disk. */
  readonly store: OutputStore;
  /** The name of the file in it. */
  readonly file: string;
  /** Default "gguf". */
  readonly form?: ImatrixForm | undefined;
  /** Matrices that are added. */
  readonly others?: readonly Imatrix[] | undefined;
  /** Do not refuse a file that exists. The store must be one that overwrites. */
  readonly overwrite?: boolean | undefined;
  /** Go on after the last layer that an interrupted run of the same settings has finished. */
  readonly resume?: boolean | undefined;
  /** What a person may want to know while it runs: "kept", when it is interrupted and can be resumed. */
  readonly onFinding?: ((finding: Finding) => void) | undefined;
}

/** What was written. */
export interface WrittenImportance extends MeasuredImportance {
  /** Steps (layers, and the head where it is measured) that an earlier run had finished. */
  readonly resumed: number;
}

/**
 * Measures a model as `importanceMatrix` does, and writes the matrix, with others added to it.
 * Memory: one layer's weights, a batch of hidden states, and the matrix; all hidden states lie in a working file beside the output.
 * @throws UsageError for a text that is too short, UnsupportedError for a family without a forward pass
 */
export async function writeImportanceMatrix(
  options: WriteImportanceMatrixOptions,
): Promise<WrittenImportance> {
  const { model, store, file, overwrite = false } = options;
  await refuseSourceFiles(model, store, [file]);
  const found = overwrite ? undefined : await store.open(file);
  if (found !== undefined) {
    await found.close();
    throw outputExists(store, file);
  }
  const compute = options.compute ?? wasmCompute();
  const room = new StatesRoom(store, `${file}.experts`, EXPERT_SUMS_BYTE_LENGTH);
  try {
    return await measureInto(await openImportancePass(compute, room, options), options);
  } finally {
    await room.close();
    if (options.compute === undefined) await compute.close();
  }
}

async function measureInto(
  pass: ImportancePass,
  options: WriteImportanceMatrixOptions,
): Promise<WrittenImportance> {
  const { model, store, file, resume = false } = options;
  const places = placesOf(pass);
  const stage = stageOf(store);
  const kept = await stage(`${file}.layers`, { byteLength: places.byteLength, resume });
  let begun = false;
  try {
    const settings = `importance ${pass.withHead ? "with" : "without"} head`;
    const versions = JSON.stringify(await sourceVersions(model));
    const head = `${settings} ${runOf(pass.source, pass.windows)} ${versions}`;
    const journal = parseStatisticsJournal(kept.journal, head, kept.name);
    await kept.cutJournal(journal.byteLength);
    begun = true;
    if (journal.byteLength === 0) await kept.log(headLine(head));
    const steps = await sumFrom(pass, journal.steps, kept, places);
    const measured = measuredImportance(pass, await readSums(steps, kept, places), options);
    const imatrix = await write(measured.imatrix, options);
    await kept.discard();
    return { ...measured, imatrix, resumed: journal.steps.length };
  } catch (error) {
    await endFailed([kept], error, { begun, onFinding: options.onFinding });
    throw error;
  }
}

/** Where the sums of each weight lie: behind the hidden states. */
interface SumPlaces {
  readonly byteLength: number;
  readonly places: ReadonlyMap<string, { readonly start: number; readonly length: number }>;
}

function placesOf({ inputs, size }: ImportancePass): SumPlaces {
  const places = new Map<string, { start: number; length: number }>();
  let byteLength = keptStatesByteLength(size);
  for (const { name, columns, experts = 1 } of inputs) {
    const length = columns * experts;
    places.set(name, { start: byteLength, length });
    byteLength += length * Float32Array.BYTES_PER_ELEMENT;
  }
  return { byteLength, places };
}

/** Does the steps that are left; returns all. */
async function sumFrom(
  pass: ImportancePass,
  finished: readonly FinishedStep[],
  kept: StagedFile,
  { places }: SumPlaces,
): Promise<readonly FinishedStep[]> {
  const steps = [...finished];
  const left = { ...pass, finished: finished.length, before: keptStates(kept, pass.size) };
  await runSteps(left, async (step, entries) => {
    const tokens: Record<string, number[]> = {};
    for (const [name, { sums, counts }] of await sumsOf(entries)) {
      const place = places.get(name);
      if (place === undefined)
        throw new UsageError("The layer has an input that was not announced.", { tensor: name });
      tokens[name] = [...counts];
      await kept.write(bytesOf(sums), place.start);
    }
    await kept.sync();
    await kept.log(stepLine({ step, tokens }));
    steps.push({ step, tokens });
  });
  return steps;
}

async function readSums(
  steps: readonly FinishedStep[],
  kept: StagedFile,
  { places }: SumPlaces,
): Promise<ReadonlyMap<string, ImatrixEntry>> {
  const found = new Map<string, ImatrixEntry>();
  for (const { tokens } of steps) {
    for (const [name, counts] of Object.entries(tokens)) {
      const { start = 0, length = 0 } = places.get(name) ?? {};
      const sums = new Float32Array(length);
      await kept.readInto(bytesOf(sums), start);
      found.set(name, { sums, counts });
    }
  }
  return found;
}

/** In the byte order of this machine: only the same machine resumes a run. */
function bytesOf({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}

async function write(own: Imatrix, options: WriteImportanceMatrixOptions): Promise<Imatrix> {
  const { store, file, form = "gguf", others = [], window } = options;
  const whole = others.length === 0 ? own : mergeImatrices([own, ...others], window);
  const sink = await store.create(file);
  try {
    await writeImatrix(sink, whole, { form });
    await sink.close();
  } catch (error) {
    await sink.abort();
    throw error;
  }
  return whole;
}
