/** The state of a run while it runs, whatever its output is. */
import { isCodecError } from "@requant/core";
import { plannedSources } from "@requant/models";
import { addToGroup } from "../model/add-to-group.ts";
import type { Model } from "../model/model.ts";
import { lengthOf } from "../model/packed-reads.ts";
import type { FileLayout } from "../plan/files/layout.ts";
import type { Plan, PlanTensor } from "../plan/plan.ts";
import { FirstFault } from "./first-fault.ts";
import { importanceOf, refuseMissingStatistics, sharedFile, sharedFolding } from "./given-guides.ts";
import type { ColumnImportance } from "./guides.ts";
import type { RunOutput } from "./outputs/output.ts";
import { PieceMaker } from "./piece-maker.ts";
import { PieceResults } from "./piece-results.ts";
import {
  byteLengthOf,
  type Job,
  joinedJobs,
  type MadePiece,
  type Piece,
  type PieceResult,
  resultOf,
  type TensorResult,
  type Work,
} from "./pieces.ts";
import { inParallel, joinedPool, localPool, type Pool, readingHere } from "./pool.ts";
import { isRefused, nonFiniteRefusal } from "./refuse-non-finite.ts";
import type { RunOptions, RunProgress } from "./run-options.ts";
import { sharedModels } from "./shared-models.ts";
import type { WorkerSetup } from "./workers/protocol.ts";
import { workerPool } from "./workers/worker-pool.ts";

/** Weights that take about as long as a worker takes to start. */
const DEFAULT_WEIGHTS_PER_WORKER = 4_000_000;

/** Jobs at the same time per worker: one computes while the other reads or writes. */
const SLOTS = 2;

export class RunState {
  readonly plan: Plan;
  readonly model: Model;
  readonly options: RunOptions;
  readonly layouts: readonly FileLayout[];
  readonly work: Work;
  readonly importance: ReadonlyMap<string, ColumnImportance>;
  readonly tensors: Map<number, PlanTensor> = new Map();
  /** Pieces in each file, up to the last one that this run makes. */
  readonly pieceCounts: readonly number[];
  /** By file. */
  private readonly results: readonly PieceResults[];
  private readonly total: number;
  private done = 0;

  constructor(plan: Plan, model: Model, layouts: readonly FileLayout[], work: Work, options: RunOptions) {
    this.plan = plan;
    this.model = model;
    this.layouts = layouts;
    this.options = options;
    this.work = work;
    const placed = layouts.flatMap(({ tensors }) => tensors);
    for (const { index, weight } of placed) this.tensors.set(index, weight);
    const tasks = [...this.tensors.values()];
    refuseMissingStatistics(tasks, options);
    this.importance = importanceOf(tasks, options);
    this.total = work.jobs.reduce((sum, { pieces }) => sum + byteLengthOf(pieces), 0);
    this.pieceCounts = pieceCounts(layouts.length, work.jobs);
    this.results = this.pieceCounts.map((count) => new PieceResults(count));
  }

  resultOf(piece: Piece): PieceResult | undefined {
    return this.results[piece.file]?.get(piece.index);
  }

  private isMade(piece: Piece): boolean {
    return this.results[piece.file]?.has(piece.index) === true;
  }

  /** The jobs without the pieces whose results are known. */
  jobsLeft(): readonly Job[] {
    return this.work.jobs
      .map((job) => ({ ...job, pieces: job.pieces.filter((piece) => !this.isMade(piece)) }))
      .filter(({ pieces }) => pieces.length > 0);
  }

  /** @throws ConversionError for weights that are not finite, unless the run allows them */
  setResult(piece: Piece, result: PieceResult): void {
    const { nonFinite } = result;
    const task = this.tensors.get(piece.tensor);
    if (nonFinite !== undefined && task !== undefined && this.options.allowNonFinite !== true) {
      if (isRefused(this.model, task, nonFinite)) throw nonFiniteRefusal(this.model, task, nonFinite);
    }
    this.results[piece.file]?.set(piece.index, result);
  }

  startPhase(): void {
    this.done = 0;
  }

  report(phase: RunProgress["phase"], piece: Piece): void {
    this.done += piece.byteLength;
    this.options.onProgress?.({
      phase,
      file: this.layouts[piece.file]?.file.name ?? "",
      tensor: this.plan.tensors[piece.tensor]?.name,
      done: this.done,
      total: this.total,
    });
  }

  /** Starts a pool for `use` and closes it afterwards, whatever happens. An abort or a failure stops it at once. */
  async withPool<T>(output: RunOutput, use: (pool: Pool) => Promise<T>): Promise<T> {
    const { signal } = this.options;
    signal?.throwIfAborted();
    const pool = await this.startPool(output);
    const onAbort = (): void => pool.stop(signal?.reason);
    signal?.addEventListener("abort", onAbort, { once: true });
    try {
      return await use(pool);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      await pool.close();
    }
  }

  /**
   * Runs all jobs and keeps the results of their pieces. `onMade` is awaited. When a job fails because the conversion is
   * impossible, the jobs before it are completed, so that the same fault is reported with any number of workers.
   */
  async make(
    pool: Pool,
    jobs: readonly Job[],
    hooks: {
      onMade?(made: readonly MadePiece[]): Promise<void>;
      onFailure?(error: unknown): void;
    } = {},
  ): Promise<void> {
    const stop = (error: unknown): void => {
      hooks.onFailure?.(error);
      pool.stop(error);
    };
    const first = new FirstFault(isImpossible, stop);
    try {
      await inParallel(
        numbered(joinedJobs(jobs)),
        pool.capacity,
        ([order, job]) => first.run(order, () => this.makeJob(pool, job, hooks.onMade)),
        (error) => {
          if (!isImpossible(error)) stop(error);
        },
      );
    } catch (error) {
      throw first.insteadOf(error);
    }
  }

  private async makeJob(
    pool: Pool,
    job: Job,
    onMade: ((made: readonly MadePiece[]) => Promise<void>) | undefined,
  ): Promise<void> {
    this.options.signal?.throwIfAborted();
    const results = await pool.make(job);
    const made = job.pieces.flatMap((piece, index): MadePiece[] => {
      const result = results[index];
      return result === undefined ? [] : [{ piece, result }];
    });
    for (const { piece, result } of made) this.setResult(piece, result);
    await onMade?.(made);
    for (const { piece } of made) this.report("write", piece);
  }

  /** Tells the measured errors of a tensor by its index in the plan, where there are any. */
  tensorResults(): (index: number) => TensorResult | undefined {
    // the pieces, not their results, which are made anew for each tensor: they take much more memory
    const pieces = new Map<number, Piece[]>();
    for (const job of this.work.jobs) {
      for (const piece of job.pieces) addToGroup(pieces, piece.tensor, piece);
    }
    return (index) => {
      const tensor = this.tensors.get(index);
      const own = pieces.get(index)?.flatMap((piece) => this.resultOf(piece) ?? []);
      return tensor === undefined ? undefined : resultOf(tensor, own ?? []);
    };
  }

  private async startPool(output: RunOutput): Promise<Pool> {
    const { model, work, options, tensors, importance } = this;
    const { statistics } = options;
    const { deliver, readBack, files, slots } = output;
    const largestPacked = largestPackedOf(model, tensors.values());
    const here = (): Pool => {
      const maker = new PieceMaker(model, {
        largestPacked,
        importance,
        statistics,
        sizes: work.sizes,
        sets: work.sets,
        bandByteLength: work.bandByteLength,
        slots,
      });
      return localPool(maker, tensors, slots, deliver, readBack);
    };
    const count = this.workerCount();
    const shared = sharedFile(statistics);
    const folding = sharedFolding(model);
    if (options.workers === undefined || count <= 1) return here();
    if (shared === "here only" || folding === "here only") return here();
    const models = await sharedModels(model);
    if (models === undefined) return here();
    const setup: WorkerSetup = {
      kind: "setup",
      ...models,
      largestPacked,
      importance,
      statistics: shared,
      folding,
      sizes: work.sizes,
      sets: work.sets,
      bandByteLength: work.bandByteLength,
      slots: SLOTS,
      outputs: files,
    };
    const { hereToo = false } = options.workers;
    const started = workerPool(options.workers, hereToo ? count - 1 : count, setup, tensors, deliver);
    const pool =
      files === undefined && readBack !== undefined
        ? readingHere(started, readBack, work.sizes.out)
        : started;
    return hereToo ? joinedPool(pool, here()) : pool;
  }

  /** As many workers as are asked for and have enough to do. */
  private workerCount(): number {
    const { count = 1, weightsPerWorker = DEFAULT_WEIGHTS_PER_WORKER } = this.options.workers ?? {};
    return Math.min(count, this.work.jobs.length, Math.floor(this.work.weightCount / weightsPerWorker));
  }
}

/** One more than the largest index in each file: a run may make only some of its pieces. */
function pieceCounts(fileCount: number, jobs: readonly Job[]): number[] {
  const counts = new Array<number>(fileCount).fill(0);
  for (const { pieces } of jobs) {
    for (const { file, index } of pieces) counts[file] = Math.max(counts[file] ?? 0, index + 1);
  }
  return counts;
}

/** The packed weight with the most bytes among those that the tensors are made of. */
function largestPackedOf(model: Model, tensors: Iterable<PlanTensor>): string | undefined {
  let largest: string | undefined;
  let most = 0;
  for (const tensor of tensors) {
    for (const name of plannedSources(tensor)) {
      const { linear } = model.tensor(name);
      const byteLength = linear === undefined ? 0 : lengthOf(linear.parts);
      if (byteLength <= most) continue;
      largest = name;
      most = byteLength;
    }
  }
  return largest;
}

function* numbered<T>(items: Iterable<T>): Generator<readonly [number, T]> {
  let order = 0;
  for (const item of items) yield [order++, item];
}

/** True for failures that every further attempt would meet again, on any machine. */
function isImpossible(error: unknown): boolean {
  return isCodecError(error) && error.code === "CONVERSION";
}
