/** What a run knows while it is under way, however its output is written. */
import { isCodecError, UsageError } from "@requant/core";
import type { Model } from "../model/model.ts";
import { sourceVersions, touchSource } from "../model/source-versions.ts";
import type { FileLayout } from "../plan/files/layout.ts";
import type { Plan, PlanTensor } from "../plan/plan.ts";
import { importanceName } from "../plan/way.ts";
import type { ColumnImportance } from "./bands.ts";
import { FirstFault } from "./first-fault.ts";
import { type Deliver, PieceMaker, type ReadBack } from "./piece-maker.ts";
import type { TensorResult } from "./pieces.ts";
import { cutIntoJobs, type Job, type Piece, type PieceResult, resultOf, type Work } from "./pieces.ts";
import { type Crew, inParallel, joinedCrew, localCrew } from "./pool.ts";
import { isRefused, nonFiniteRefusal } from "./refuse-non-finite.ts";
import type { RunOptions, RunProgress } from "./run-options.ts";
import type { WorkerSetup } from "./workers/protocol.ts";
import { workerCrew } from "./workers/worker-pool.ts";

/** Weights that take about as long as a worker takes to start. */
const DEFAULT_WEIGHTS_PER_WORKER = 4_000_000;

/** Jobs at the same time per worker: one computes while the other's bytes are on their way. */
const PLACES = 2;

/** Where pieces go. */
export interface Destination {
  readonly deliver: Deliver;
  /** Where what was written can be read again by pieces. */
  readonly readBack?: ReadBack | undefined;
  /** Files that workers can open and write themselves. */
  readonly outputs?: WorkerSetup["outputs"];
  /** Jobs at the same time when there are no workers. */
  readonly places: number;
}

export class RunState {
  readonly plan: Plan;
  readonly model: Model;
  readonly options: RunOptions;
  readonly layouts: readonly FileLayout[];
  readonly work: Work;
  readonly bandByteLength: number;
  readonly importance: ReadonlyMap<string, ColumnImportance>;
  private readonly tensors = new Map<number, PlanTensor>();
  /** By file and by the index of the piece in it. */
  private readonly results: (PieceResult | undefined)[][];
  private readonly total: number;
  private done = 0;

  constructor(
    plan: Plan,
    model: Model,
    layouts: readonly FileLayout[],
    bandByteLength: number,
    options: RunOptions,
  ) {
    this.plan = plan;
    this.model = model;
    this.layouts = layouts;
    this.options = options;
    this.bandByteLength = bandByteLength;
    const placed = layouts.flatMap(({ tensors }) => tensors);
    for (const { index, weight } of placed) this.tensors.set(index, weight);
    this.importance = importanceOf([...this.tensors.values()], options.imatrix);
    this.work = cutIntoJobs(layouts, bandByteLength);
    this.total = placed.reduce((sum, { byteLength }) => sum + byteLength, 0);
    this.results = layouts.map(() => []);
  }

  /** Pieces in each file. */
  get pieceCounts(): number[] {
    const counts = this.layouts.map(() => 0);
    for (const { pieces } of this.work.jobs) {
      for (const { file } of pieces) counts[file] = (counts[file] ?? 0) + 1;
    }
    return counts;
  }

  resultOf(piece: Piece): PieceResult | undefined {
    return this.results[piece.file]?.[piece.index];
  }

  /** @throws ConversionError for weights that are not finite, unless the run allows them */
  setResult(tensor: number, piece: Piece, result: PieceResult): void {
    const { nonFinite } = result;
    const task = this.tensors.get(tensor);
    if (nonFinite !== undefined && task !== undefined && this.options.allowNonFinite !== true) {
      if (isRefused(this.model, task, nonFinite)) throw nonFiniteRefusal(this.model, task, nonFinite);
    }
    const own = this.results[piece.file];
    if (own !== undefined) own[piece.index] = result;
  }

  startPhase(): void {
    this.done = 0;
  }

  report(phase: RunProgress["phase"], tensor: number, piece: Piece): void {
    this.done += piece.byteLength;
    this.options.onProgress?.({
      phase,
      file: this.layouts[piece.file]?.file.name ?? "",
      tensor: this.plan.tensors[tensor]?.name,
      done: this.done,
      total: this.total,
    });
  }

  /** Hires a crew for `use`, and lets it go whatever happens; an abort or a failure stops it at once. */
  async withCrew<T>(destination: Destination, use: (crew: Crew) => Promise<T>): Promise<T> {
    const { signal } = this.options;
    signal?.throwIfAborted();
    const crew = await this.hire(destination);
    const onAbort = (): void => crew.stop(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await use(crew);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      await crew.close();
    }
  }

  /**
   * Has all jobs done, and remembers what is known of their pieces. `onPiece` is waited for. A conversion that turns out to
   * be impossible lets the jobs before it end, so that with any number of workers the first fault is the one that is told.
   */
  async make(
    crew: Crew,
    jobs: Iterable<Job>,
    hooks: {
      onPiece?(piece: Piece, result: PieceResult): Promise<void>;
      onFailure?(error: unknown): void;
    } = {},
  ): Promise<void> {
    const stop = (error: unknown): void => {
      hooks.onFailure?.(error);
      crew.stop(error);
    };
    const first = new FirstFault(isImpossible, stop);
    try {
      await inParallel(
        numbered(jobs),
        crew.capacity,
        ([order, job]) => first.run(order, () => this.makeJob(crew, job, hooks.onPiece)),
        (error) => {
          if (!isImpossible(error)) stop(error);
        },
      );
    } catch (error) {
      throw first.insteadOf(error);
    }
  }

  private async makeJob(
    crew: Crew,
    job: Job,
    onPiece: ((piece: Piece, result: PieceResult) => Promise<void>) | undefined,
  ): Promise<void> {
    this.options.signal?.throwIfAborted();
    const results = await crew.make(job);
    for (const [index, piece] of job.pieces.entries()) {
      const result = results[index];
      if (result === undefined) continue;
      this.setResult(job.tensor, piece, result);
      await onPiece?.(piece, result);
      this.report("write", job.tensor, piece);
    }
  }

  /** What was found out about tensors while they were made. */
  tensorResults(): ReadonlyMap<PlanTensor, TensorResult> {
    const pieces = new Map<number, PieceResult[]>();
    for (const job of this.work.jobs) {
      const own = pieces.get(job.tensor) ?? [];
      for (const piece of job.pieces) {
        const result = this.resultOf(piece);
        if (result !== undefined) own.push(result);
      }
      pieces.set(job.tensor, own);
    }
    const results = new Map<PlanTensor, TensorResult>();
    for (const [index, tensor] of this.tensors) {
      const result = resultOf(tensor, pieces.get(index) ?? []);
      if (result !== undefined) results.set(tensor, result);
    }
    return results;
  }

  private async hire(destination: Destination): Promise<Crew> {
    const { model, work, options, tensors, importance } = this;
    const { deliver, readBack, outputs, places } = destination;
    const here = (): Crew => {
      const maker = new PieceMaker(model, {
        tensors,
        importance,
        sizes: work.sizes,
        bandByteLength: this.bandByteLength,
        places,
      });
      return localCrew(maker, places, deliver, readBack);
    };
    const count = this.workerCount();
    const origin = model.origin;
    const address = origin?.store.address;
    if (options.workers !== undefined && count > 1 && address !== undefined) {
      await touchSource(model);
      const setup: WorkerSetup = {
        kind: "setup",
        source: address,
        file: origin?.file,
        limits: origin?.limits,
        versions: await sourceVersions(model),
        tensors,
        importance,
        sizes: work.sizes,
        bandByteLength: this.bandByteLength,
        places: PLACES,
        outputs,
      };
      return options.workers.hereToo === true
        ? joinedCrew(workerCrew(options.workers, count - 1, setup, deliver), here())
        : workerCrew(options.workers, count, setup, deliver);
    }
    return here();
  }

  /** As many workers as are asked for and have enough to do. */
  private workerCount(): number {
    const { count = 1, weightsPerWorker = DEFAULT_WEIGHTS_PER_WORKER } = this.options.workers ?? {};
    return Math.min(count, this.work.jobs.length, Math.floor(this.work.weightCount / weightsPerWorker));
  }
}

function* numbered<T>(items: Iterable<T>): Generator<readonly [number, T]> {
  let order = 0;
  for (const item of items) yield [order++, item];
}

/** Whatever the machine does, and however often it is tried. */
function isImpossible(error: unknown): boolean {
  return isCodecError(error) && error.code === "CONVERSION";
}

/** The columns that the tensors need. @throws UsageError when the run was not given the plan's matrix */
function importanceOf(
  tensors: readonly PlanTensor[],
  imatrix: RunOptions["imatrix"],
): ReadonlyMap<string, ColumnImportance> {
  const columns = new Map<string, ColumnImportance>();
  for (const tensor of tensors) {
    const name = importanceName(tensor);
    if (name === undefined || columns.has(name)) continue;
    const entry = imatrix?.get(name);
    if (entry === undefined) {
      throw new UsageError("the plan quantizes with an importance matrix that the run was not given", {
        tensor: tensor.name,
      });
    }
    columns.set(name, Float32Array.from(entry));
  }
  return columns;
}
