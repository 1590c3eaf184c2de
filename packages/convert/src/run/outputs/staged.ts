/** Files on a disk: written in any order, journaled, and continued after an interruption. */
import { type ByteSource, IoError, type StagedFile } from "@requant/core";
import type { FileLayout } from "../plan/files/layout.ts";
import {
  headLine,
  type Journal,
  type JournalHead,
  parseJournal,
  pieceLine,
  refuseOtherRun,
} from "./journal.ts";
import { lost, type OutputStore } from "./output-store.ts";
import type { Piece, PieceResult } from "./pieces.ts";
import { checkHeader } from "./reopen.ts";

/** Bytes, or milliseconds, after which what was written is made durable: what a power failure can cost. */
const CHECKPOINT_BYTE_LENGTH = 256 * 1024 * 1024;
const CHECKPOINT_INTERVAL = 15_000;

export interface StagedOutputOptions {
  readonly resume: boolean;
  /** What the journal says about this run. */
  readonly head: JournalHead;
}

export class StagedOutput {
  readonly files: readonly StagedFile[];
  private readonly layouts: readonly FileLayout[];
  private readonly journals: readonly Journal[];
  private readonly head: JournalHead;
  private readonly unsyncedFiles = new Set<StagedFile>();
  private unsynced = 0;
  private syncedAt = performance.now();
  private syncing: Promise<void> | undefined;
  private syncFailure: { readonly error: unknown } | undefined;
  /** False until this run has a right to change what it found. */
  private begun = false;

  private constructor(
    files: readonly StagedFile[],
    layouts: readonly FileLayout[],
    journals: readonly Journal[],
    head: JournalHead,
  ) {
    this.files = files;
    this.layouts = layouts;
    this.journals = journals;
    this.head = head;
  }

  /** Opens and locks all files. @throws IoError when another process writes one; UsageError when another run is to be resumed */
  static async open(
    stage: NonNullable<OutputStore["stage"]>,
    layouts: readonly FileLayout[],
    { resume, head }: StagedOutputOptions,
  ): Promise<StagedOutput> {
    const files: StagedFile[] = [];
    try {
      for (const { file } of layouts) {
        files.push(await stage(file.name, { byteLength: file.byteLength, resume }));
      }
      const journals = files.map(({ journal, name }) => {
        const parsed = parseJournal(journal);
        if (parsed.head !== undefined) refuseOtherRun(parsed.head, head, name);
        return parsed;
      });
      return new StagedOutput(files, layouts, journals, head);
    } catch (error) {
      for (const file of files) await (file.journal.byteLength === 0 ? file.discard() : file.keep());
      throw error;
    }
  }

  /** Whether a file got its name before its run died. */
  isPublished(name: string): boolean {
    return this.files[this.layouts.findIndex(({ file }) => file.name === name)]?.published === true;
  }

  /** True when no earlier run left anything. */
  isEmpty(): boolean {
    return this.files.every(({ journal, published }) => journal.byteLength === 0 && !published);
  }

  /** What the journal of a file claims of its pieces. */
  claims(file: number): ReadonlyMap<number, PieceResult> {
    return this.journals[file]?.pieces ?? new Map();
  }

  /** Writes headers and what the journals were missing. */
  async begin(): Promise<void> {
    this.begun = true;
    for (const [index, file] of this.files.entries()) {
      const journal = this.journals[index];
      const layout = this.layouts[index];
      if (file.published || journal === undefined || layout === undefined) continue;
      await file.cutJournal(journal.head === undefined ? 0 : journal.byteLength);
      if (journal.head === undefined) await file.log(headLine(this.head));
      await file.write(layout.header, 0);
    }
  }

  write(piece: Piece, bytes: Uint8Array): Promise<void> {
    return this.fileOf(piece).write(bytes, piece.byteOffset);
  }

  readInto(piece: Piece, target: Uint8Array): Promise<void> {
    return this.fileOf(piece).readInto(target, piece.byteOffset);
  }

  /** Notes a piece that was written. */
  async note(piece: Piece, result: PieceResult): Promise<void> {
    const file = this.fileOf(piece);
    await file.log(pieceLine(piece.index, result));
    this.unsyncedFiles.add(file);
    if (this.syncFailure !== undefined) throw this.syncFailure.error;
    this.unsynced += piece.byteLength;
    const due =
      this.unsynced >= CHECKPOINT_BYTE_LENGTH || performance.now() - this.syncedAt >= CHECKPOINT_INTERVAL;
    if (!due || this.syncing !== undefined) return;
    this.unsynced = 0;
    // beside the work: nobody waits for the disk but the last
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

  /** Reads the headers as anybody would, and compares them with what was planned. */
  async checkHeaders(): Promise<void> {
    for (const [index, layout] of this.layouts.entries()) {
      const file = this.files[index];
      if (file === undefined) continue;
      if (!(await beginsWith(file, layout.header))) throw lost(file.name);
      await checkHeader(sourceOf(file), layout);
    }
  }

  /** Gives all files their names, together as far as a disk can do that. */
  async publish(): Promise<void> {
    await this.syncing;
    if (this.syncFailure !== undefined) throw this.syncFailure.error;
    for (const file of this.files) await file.publish();
    for (const file of this.files) await file.finish();
  }

  /** Ends after a failure. True when something was kept for another run. */
  async end(keep: boolean): Promise<boolean> {
    await this.syncing;
    const kept = keep || !this.begun;
    let any = false;
    for (const file of this.files) {
      if (kept && (this.begun || file.journal.byteLength > 0)) {
        await file.keep();
        any = true;
      } else await file.discard();
    }
    return any;
  }

  private async sync(): Promise<void> {
    const files = [...this.unsyncedFiles];
    this.unsyncedFiles.clear();
    for (const file of files) await file.sync();
  }

  private fileOf(piece: Piece): StagedFile {
    const file = this.files[piece.file];
    if (file === undefined) throw new IoError("the file is not open", { path: this.head.run });
    return file;
  }
}

/** The header of a large vocabulary has 8 MB: it is read a stretch at a time, into the same memory. */
const COMPARED_BYTE_LENGTH = 256 * 1024;

async function beginsWith(file: StagedFile, header: Uint8Array): Promise<boolean> {
  const memory = new Uint8Array(Math.min(header.byteLength, COMPARED_BYTE_LENGTH));
  for (let start = 0; start < header.byteLength; start += memory.byteLength) {
    const expected = header.subarray(start, start + memory.byteLength);
    const found = memory.subarray(0, expected.byteLength);
    await file.readInto(found, start);
    if (!sameBytes(expected, found)) return false;
  }
  return true;
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 0; i < a.byteLength; i++) {
    if (a[i] !== b[i]) return false;
  }
  return a.byteLength === b.byteLength;
}

function sourceOf(file: StagedFile): ByteSource {
  return {
    name: file.name,
    byteLength: file.byteLength,
    async read(start, end) {
      const target = new Uint8Array(end - start);
      await file.readInto(target, start);
      return target;
    },
    readInto: (target, start) => file.readInto(target, start),
    async close() {},
  };
}
