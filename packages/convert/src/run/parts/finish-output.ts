/** The end of a plan that was run in parts: every piece is looked for, headers are written, and the files get their names. */
import { IoError, type SharedWork, UsageError } from "@requant/core";
import type { JournalHead } from "../outputs/journal.ts";
import type { RunOutput } from "../outputs/output.ts";
import { checkWrittenHeader } from "../outputs/written-header.ts";
import type { Job, Piece } from "../pieces.ts";
import type { Pool } from "../pool.ts";
import { checkAgain } from "../read-again.ts";
import type { RunState } from "../run-state.ts";
import type { WorkerSetup } from "../workers/protocol.ts";
import { Claims, countOfGroup } from "./ledger.ts";
import { mostFrequent, wordsForParts } from "./named-parts.ts";
import type { PartWork } from "./part-work.ts";
import { SharedFiles } from "./shared-files.ts";

/** What is finished. */
export interface FinishPlace {
  readonly shared: SharedWork;
  readonly parts: PartWork;
  readonly head: JournalHead;
}

export class FinishOutput implements RunOutput {
  readonly slots = 2;
  private readonly run: RunState;
  private readonly place: FinishPlace;
  private readonly opened: SharedFiles;
  /** Parts that the plan was run in. */
  private count = 1;

  private constructor(run: RunState, place: FinishPlace, opened: SharedFiles) {
    this.run = run;
    this.place = place;
    this.opened = opened;
  }

  static async open(run: RunState, place: FinishPlace): Promise<FinishOutput> {
    return new FinishOutput(run, place, await SharedFiles.open(place.shared, run.layouts));
  }

  get files(): WorkerSetup["outputs"] {
    return this.opened.addresses;
  }

  async deliver(): Promise<void> {
    throw new UsageError("All pieces are made already.");
  }

  readonly readBack = (piece: Piece, target: Uint8Array): Promise<void> =>
    this.opened.readBack(piece, target);

  /** None: every piece must be claimed. @throws UsageError naming the parts of those that are not */
  async jobsLeft(): Promise<readonly Job[]> {
    const { run, place } = this;
    const claims = new Claims(place.head);
    const logsOf = new Map<number, number>();
    for await (const { group, bytes } of place.shared.allLogs()) {
      run.options.signal?.throwIfAborted();
      claims.add(bytes);
      const count = countOfGroup(group);
      logsOf.set(count, (logsOf.get(count) ?? 0) + 1);
    }
    this.count = mostFrequent(logsOf);
    const missing = new Set<number>();
    for (const [index, { pieces }] of run.work.jobs.entries()) {
      for (const piece of pieces) {
        const result = claims.results.get(place.parts.numberOf(piece));
        if (result === undefined) missing.add(index);
        else run.setResult(piece, result);
      }
    }
    if (missing.size > 0) {
      throw new UsageError(`The plan is not finished: it lacks ${this.partsOf(missing)}.`, {
        path: place.shared.name,
        hint: "Run these parts, then finish again.",
        reason: "parts-missing",
      });
    }
    return [];
  }

  /** Writes the headers, and the files that have no tensors. */
  async begin(): Promise<void> {
    if (await this.place.shared.isPublishing()) return;
    for (const [index, { header }] of this.run.layouts.entries())
      await this.opened.at(index).write(header, 0);
  }

  /** Reads everything. @throws IoError naming the parts whose bytes are not what they claim */
  async check(pool: Pool): Promise<void> {
    const { run, opened } = this;
    run.startPhase();
    for (const [index, layout] of run.layouts.entries()) await checkWrittenHeader(opened.at(index), layout);
    const items = run.work.jobs.flatMap(({ pieces }, job) => pieces.map((piece) => ({ job, piece })));
    const damaged = new Set<number>();
    await checkAgain(run, pool, items, ({ job }) => damaged.add(job));
    if (damaged.size === 0) return;
    throw new IoError(`The bytes of ${this.partsOf(damaged)} are not what was written.`, {
      path: this.place.shared.name,
      hint: "Run these parts again, then finish again.",
      reason: "parts-damaged",
    });
  }

  async publish(): Promise<void> {
    const { shared } = this.place;
    if (!(await shared.isPublishing())) await this.opened.sync();
    await this.opened.close();
    await shared.publish(this.run.layouts.map(({ file }) => file));
    await shared.remove();
  }

  async end(): Promise<void> {
    await this.opened.close();
  }

  /** Words for the parts that some jobs belong to. */
  private partsOf(jobs: Iterable<number>): string {
    const numbers = new Set<number>();
    for (const job of jobs) numbers.add(this.place.parts.partOf(job, this.count));
    return wordsForParts(numbers, this.count);
  }
}
