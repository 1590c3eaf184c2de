/**
 * What the parts of a plan have finished: logs beside the unfinished files, one for each attempt at a part, in the format of a
 * journal. A piece is claimed when its bytes are on the disk.
 */
import { IoError, type SharedLog, type SharedLogs } from "@requant/core";
import { headLine, type JournalHead, parseJournal, partLine, pieceLine } from "../outputs/journal.ts";
import { joinedLines } from "../outputs/sealed-lines.ts";
import type { PieceResult } from "../pieces.ts";
import type { PartNumber } from "./part-work.ts";

/** After so many bytes or milliseconds the files are flushed to the disk and their pieces claimed. */
const CHECKPOINT_BYTE_LENGTH = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL = 15_000;

/** Groups in one folder, so that no folder of a large plan has too many files. */
const GROUPS_PER_FOLDER = 1000;

/** The group of a part's logs. */
export function groupOf({ part, count }: PartNumber): string {
  return `${count}/${Math.floor(part / GROUPS_PER_FOLDER)}/${part}`;
}

/** Number of parts that the logs of a group belong to. */
export function countOfGroup(group: string): number {
  return Number(group.split("/", 1)[0]);
}

/** What some logs claim. */
export class Claims {
  /** By the number of the piece. */
  readonly results: Map<number, PieceResult> = new Map();
  /** Of uploads: what the server answered to each chunk, by its number; one answer for each attempt whose answers differ. */
  readonly answers: Map<number, Set<string>> = new Map();
  private readonly head: JournalHead;

  constructor(head: JournalHead) {
    this.head = head;
  }

  /**
   * Adds the claims of a log. A log of another run claims nothing.
   * @throws IoError where two attempts claim different bytes for one piece
   */
  add(log: Uint8Array): void {
    const { head, pieces, parts } = parseJournal(log);
    if (head?.run !== this.head.run) return;
    for (const [chunk, answer] of parts) {
      const known = this.answers.get(chunk);
      if (known === undefined) this.answers.set(chunk, new Set([answer]));
      else known.add(answer);
    }
    for (const [number, result] of pieces) {
      const known = this.results.get(number);
      if (known !== undefined && known.checksum !== result.checksum) {
        throw new IoError(`Two attempts made different bytes of piece ${number}.`, {
          hint: "Use one version of this program on all machines, abandon the plan, save it again, and run all parts.",
        });
      }
      this.results.set(number, result);
    }
  }
}

/** Claims the pieces of one attempt, after their bytes are on the disk. */
export class LedgerWriter {
  private readonly shared: SharedLogs;
  private readonly group: string;
  private readonly head: JournalHead;
  private readonly syncFiles: () => Promise<void>;
  private log: SharedLog | undefined;
  private pending: Uint8Array[] = [];
  private unsynced = 0;
  private syncedAt = performance.now();
  private syncing: Promise<void> | undefined;
  private failure: { readonly error: unknown } | undefined;

  /** @param syncFiles makes durable what was written into the unfinished files */
  constructor(shared: SharedLogs, group: string, head: JournalHead, syncFiles: () => Promise<void>) {
    this.shared = shared;
    this.group = group;
    this.head = head;
    this.syncFiles = syncFiles;
  }

  /** Notes a piece that was written; it is claimed at the next checkpoint. */
  note(number: number, result: PieceResult, byteLength: number): void {
    this.add(pieceLine(number, result), byteLength);
  }

  /** Notes a chunk that a server has taken. */
  noteChunk(number: number, answer: string, byteLength: number): void {
    this.add(partLine(number, answer), byteLength);
  }

  private add(line: Uint8Array, byteLength: number): void {
    if (this.failure !== undefined) throw this.failure.error;
    this.pending.push(line);
    this.unsynced += byteLength;
    const due =
      this.unsynced >= CHECKPOINT_BYTE_LENGTH || performance.now() - this.syncedAt >= CHECKPOINT_INTERVAL;
    if (!due || this.syncing !== undefined) return;
    // in the background: only `flush` waits for the disk
    this.syncing = this.checkpoint().then(
      () => {
        this.syncing = undefined;
      },
      (error: unknown) => {
        this.syncing = undefined;
        this.failure = { error };
      },
    );
  }

  /** Claims all pieces that were noted. */
  async flush(): Promise<void> {
    await this.syncing;
    if (this.failure !== undefined) throw this.failure.error;
    await this.checkpoint();
  }

  async close(): Promise<void> {
    await this.syncing;
    await this.log?.close();
    this.log = undefined;
  }

  private async checkpoint(): Promise<void> {
    const lines = this.pending;
    if (lines.length === 0) return;
    this.pending = [];
    this.unsynced = 0;
    await this.syncFiles();
    const isNew = this.log === undefined;
    this.log ??= await this.shared.startLog(this.group);
    await this.log.append(joinedLines(isNew ? [headLine(this.head), ...lines] : lines));
    this.syncedAt = performance.now();
  }
}
