/** One part of a plan: its pieces go into files that other parts write at the same time. */
import type { SharedWork } from "@requant/core";
import type { JournalHead } from "../outputs/journal.ts";
import type { RunOutput } from "../outputs/output.ts";
import { lost } from "../outputs/store.ts";
import type { Job, MadePiece, Piece } from "../pieces.ts";
import type { Pool } from "../pool.ts";
import { checkAgain, takeClaimed } from "../read-again.ts";
import type { RunState } from "../run-state.ts";
import type { WorkerSetup } from "../workers/protocol.ts";
import { Claims, groupOf, LedgerWriter } from "./ledger.ts";
import type { PartNumber, PartWork } from "./part-work.ts";
import { SharedFiles } from "./shared-files.ts";

/** What a part writes into. */
export interface PartPlace {
  readonly shared: SharedWork;
  readonly parts: PartWork;
  readonly number: PartNumber;
  readonly head: JournalHead;
}

/** Pieces that an earlier attempt claimed, and whose bytes still have the claimed checksum, are not made again. */
export class PartOutput implements RunOutput {
  readonly slots = 2;
  /** Pieces that this attempt has made. */
  readonly made: Set<Piece> = new Set();
  private readonly run: RunState;
  private readonly place: PartPlace;
  private readonly opened: SharedFiles;
  private readonly ledger: LedgerWriter;
  private readonly written = new Set<number>();
  /** False while the pieces are read back. */
  private isWritten = true;

  private constructor(run: RunState, place: PartPlace, opened: SharedFiles) {
    this.run = run;
    this.place = place;
    this.opened = opened;
    const { shared, number, head } = place;
    this.ledger = new LedgerWriter(shared, groupOf(number), head, async () => {
      const files = [...this.written];
      this.written.clear();
      await opened.sync(files);
    });
  }

  static async open(run: RunState, place: PartPlace): Promise<PartOutput> {
    return new PartOutput(run, place, await SharedFiles.open(place.shared, run.layouts));
  }

  get files(): WorkerSetup["outputs"] {
    return this.opened.addresses;
  }

  readonly deliver = (piece: Piece, bytes: Uint8Array): Promise<void> => this.opened.deliver(piece, bytes);

  readonly readBack = (piece: Piece, target: Uint8Array): Promise<void> =>
    this.opened.readBack(piece, target);

  async jobsLeft(pool: Pool): Promise<readonly Job[]> {
    const { run, place } = this;
    const claims = new Claims(place.head);
    for (const log of await place.shared.readLogs(groupOf(place.number))) claims.add(log);
    await takeClaimed(run, pool, (piece) => claims.results.get(place.parts.numberOf(piece)));
    return run.jobsLeft();
  }

  async begin(): Promise<void> {}

  async note(made: readonly MadePiece[]): Promise<void> {
    for (const { piece, result } of made) {
      this.written.add(piece.file);
      this.made.add(piece);
      this.ledger.note(this.place.parts.numberOf(piece), result, piece.byteLength);
    }
  }

  /** Reads again what this attempt has made. @throws IoError when it is not what was written */
  async check(pool: Pool): Promise<void> {
    const { run, made } = this;
    this.isWritten = false;
    run.startPhase();
    const items = run.work.jobs.flatMap(({ pieces }) =>
      pieces.flatMap((piece) => (made.has(piece) ? [{ piece }] : [])),
    );
    await checkAgain(run, pool, items, ({ piece }) => {
      throw lost(this.opened.at(piece.file).name, run.plan.tensors[piece.tensor]?.name);
    });
    this.isWritten = true;
  }

  async publish(): Promise<void> {
    await this.ledger.flush();
    // also tells whether the files were removed after the last claim
    await this.opened.sync(new Set([...this.made].map(({ file }) => file)));
    await this.close();
  }

  /** What is finished stays for the next attempt. What could not be read back is not claimed. */
  async end(): Promise<void> {
    if (this.isWritten) await this.ledger.flush().catch(() => {});
    await this.close();
  }

  private async close(): Promise<void> {
    await this.ledger.close();
    await this.opened.close();
  }
}
