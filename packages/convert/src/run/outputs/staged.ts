/** Files on a disk: written in any order by several workers, journaled, and continued after an interruption. */
import { IoError, type StagedAddress, type StagedFile, UsageError } from "@requant/core";
import { finding } from "../../model/findings/finding.ts";
import type { FileLayout } from "../../plan/files/layout.ts";
import { byteLengthOf, type Job, type MadePiece, type Piece } from "../pieces.ts";
import type { Pool } from "../pool.ts";
import { checkAgain, takeClaimed } from "../read-again.ts";
import type { RunState } from "../run-state.ts";
import type { WorkerSetup } from "../workers/protocol.ts";
import { isInterruption } from "./interruption.ts";
import {
  headLine,
  type Journal,
  type JournalHead,
  parseJournal,
  pieceLines,
  refuseOtherRun,
} from "./journal.ts";
import { headOf } from "./journal-head.ts";
import type { ResumableOutput } from "./output.ts";
import { lost, type OutputStore } from "./store.ts";
import { endUnfinished } from "./unfinished.ts";
import { checkWrittenHeader } from "./written-header.ts";

/** After so many bytes or milliseconds the files are flushed to the disk. A power failure can lose this much work. */
const CHECKPOINT_BYTE_LENGTH = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL = 15_000;

/**
 * Files appear under their names only when all of them are written and checked. When the run is interrupted, finished pieces
 * stay beside them under temporary names; after any other failure the temporary files are removed.
 */
export class StagedOutput implements ResumableOutput {
  readonly slots = 2;
  private readonly run: RunState;
  private readonly staged: readonly StagedFile[];
  private readonly layouts: readonly FileLayout[];
  private readonly journals: readonly Journal[];
  private readonly head: JournalHead;
  private readonly unsyncedFiles = new Set<StagedFile>();
  private unsynced = 0;
  private syncedAt = performance.now();
  private syncing: Promise<void> | undefined;
  private syncFailure: { readonly error: unknown } | undefined;
  /** False until this run may change files that an earlier run left. */
  private begun = false;

  private constructor(
    run: RunState,
    staged: readonly StagedFile[],
    journals: readonly Journal[],
    head: JournalHead,
  ) {
    this.run = run;
    this.staged = staged;
    this.layouts = run.layouts;
    this.journals = journals;
    this.head = head;
  }

  /** Opens and locks all files. @throws IoError when another process writes one; UsageError when another run is to be resumed */
  static async open(run: RunState, stage: NonNullable<OutputStore["stage"]>): Promise<StagedOutput> {
    const { resume = false } = run.options;
    const head = await headOf(run);
    const files: StagedFile[] = [];
    try {
      for (const { file } of run.layouts) {
        files.push(await stage(file.name, { byteLength: file.byteLength, resume }));
      }
      const journals = files.map(({ journal, name }) => {
        const parsed = parseJournal(journal);
        if (parsed.head !== undefined) refuseOtherRun(parsed.head, head, name);
        return parsed;
      });
      return new StagedOutput(run, files, journals, head);
    } catch (error) {
      await endUnfinished(files, { begun: false, keep: true });
      throw error;
    }
  }

  /** Undefined where only this thread can write the files: workers then send the pieces back. */
  get files(): WorkerSetup["outputs"] {
    const files: { readonly address: StagedAddress; readonly name: string }[] = [];
    for (const { address, name } of this.staged) {
      if (address !== undefined) files.push({ address, name });
    }
    return files.length === this.staged.length ? files : undefined;
  }

  /** Whether the earlier run had already given the file its final name. */
  isPublished(name: string): boolean {
    return this.staged[this.layouts.findIndex(({ file }) => file.name === name)]?.published === true;
  }

  /** True when no earlier run left unfinished files. */
  isEmpty(): boolean {
    return this.staged.every(({ journal, published }) => journal.byteLength === 0 && !published);
  }

  /** Writes the headers, and the first line of new journals. */
  async begin(): Promise<void> {
    this.begun = true;
    for (const [index, file] of this.staged.entries()) {
      const journal = this.journals[index];
      const layout = this.layouts[index];
      if (file.published || journal === undefined || layout === undefined) continue;
      await file.cutJournal(journal.head === undefined ? 0 : journal.byteLength);
      if (journal.head === undefined) await file.log(headLine(this.head));
      await file.write(layout.header, 0);
    }
  }

  readonly deliver = (piece: Piece, bytes: Uint8Array): Promise<void> =>
    this.fileOf(piece).write(bytes, piece.byteOffset);

  readonly readBack = (piece: Piece, target: Uint8Array): Promise<void> =>
    this.fileOf(piece).readInto(target, piece.byteOffset);

  /** Notes pieces that were written. */
  async note(made: readonly MadePiece[]): Promise<void> {
    for (const [index, lines] of pieceLines(made)) {
      const file = this.fileAt(index);
      await file.log(lines);
      this.unsyncedFiles.add(file);
    }
    if (this.syncFailure !== undefined) throw this.syncFailure.error;
    this.unsynced += byteLengthOf(made.map(({ piece }) => piece));
    const due =
      this.unsynced >= CHECKPOINT_BYTE_LENGTH || performance.now() - this.syncedAt >= CHECKPOINT_INTERVAL;
    if (!due || this.syncing !== undefined) return;
    this.unsynced = 0;
    // in the background: only `publish` waits for the disk
    this.syncing = this.sync().then(
      () => {
        this.syncing = undefined;
        this.syncedAt = performance.now();
      },
      (error: unknown) => {
        this.syncing = undefined;
        this.syncFailure = { error };
      },
    );
  }

  /** The jobs without the pieces that the journals list and whose bytes have the right checksum. */
  async jobsLeft(pool: Pool): Promise<readonly Job[]> {
    const { run } = this;
    if (run.options.resume !== true) return run.work.jobs;
    await takeClaimed(run, pool, ({ file, index }) => this.journals[file]?.pieces.get(index));
    const left = run.jobsLeft();
    const damaged = left.flatMap(({ pieces }) => pieces).find(({ file }) => this.staged[file]?.published);
    if (damaged !== undefined) {
      throw new UsageError("The file has its name already, but is not what the journal beside it says.", {
        path: this.staged[damaged.file]?.name,
        hint: "Start over without resuming.",
      });
    }
    return left;
  }

  /** Reads everything again. @throws IoError when it is not what was written */
  async check(pool: Pool): Promise<void> {
    const { run } = this;
    run.startPhase();
    await this.checkHeaders();
    await checkAgain(run, pool, itemsOf(run.work.jobs), ({ piece }) => {
      throw lost(this.staged[piece.file]?.name ?? "", run.plan.tensors[piece.tensor]?.name);
    });
  }

  /** Reads the headers as any reader does, and compares them with the plan. */
  private async checkHeaders(): Promise<void> {
    for (const [index, layout] of this.layouts.entries()) {
      const file = this.staged[index];
      if (file === undefined) continue;
      await checkWrittenHeader(file, layout);
    }
  }

  /** Gives all files their final names, one directly after the other. */
  async publish(): Promise<void> {
    await this.syncing;
    if (this.syncFailure !== undefined) throw this.syncFailure.error;
    for (const file of this.staged) await file.publish();
    for (const file of this.staged) await file.finish();
  }

  /** After an interruption, finished pieces are kept for a later run. */
  async end(error: unknown): Promise<void> {
    const { keep = true, onFinding } = this.run.options;
    const kept = await this.close(keep && isInterruption(error));
    if (kept) onFinding?.(finding("kept", "What was finished is kept beside the output."));
  }

  /** Closes all files. Returns true when finished pieces were kept for a later run. */
  async close(keep: boolean): Promise<boolean> {
    await this.syncing;
    return endUnfinished(this.staged, { begun: this.begun, keep });
  }

  private async sync(): Promise<void> {
    const files = [...this.unsyncedFiles];
    this.unsyncedFiles.clear();
    for (const file of files) await file.sync();
  }

  private fileOf(piece: Piece): StagedFile {
    return this.fileAt(piece.file);
  }

  private fileAt(index: number): StagedFile {
    const file = this.staged[index];
    if (file === undefined) throw new IoError("The file is not open.", { path: this.head.run });
    return file;
  }
}

/** One by one, because a model may have very many. */
function* itemsOf(jobs: readonly Job[]): Generator<{ readonly piece: Piece }> {
  for (const { pieces } of jobs) for (const piece of pieces) yield { piece };
}
