/** Files on a server that takes them in parts: made by several workers, journaled, and continued after an interruption. */
import type { UploadedFile } from "@requant/core";
import { finding } from "../../model/findings/finding.ts";
import type { FileLayout } from "../../plan/files/layout.ts";
import type { Job, MadePiece, Piece, PieceResult } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import { checkPublishedFiles } from "./check-file.ts";
import { isInterruption } from "./interruption.ts";
import {
  headLine,
  type Journal,
  type JournalHead,
  parseJournal,
  partLine,
  pieceLines,
  refuseOtherRun,
} from "./journal.ts";
import { headOf } from "./journal-head.ts";
import type { ResumableOutput } from "./output.ts";
import { type FilledRange, PartBuffers } from "./part-buffers.ts";
import type { OutputStore } from "./store.ts";
import { endUnfinished } from "./unfinished.ts";

/** A file of the run, what the journal says of it, and its parts that are not sent yet. */
interface OpenUpload {
  readonly file: UploadedFile;
  readonly layout: FileLayout;
  readonly journal: Journal;
  /** Undefined where the earlier run had published the file. */
  readonly buffers: PartBuffers | undefined;
}

/**
 * What is sent cannot be read again before it is published, so the proof of a part is the checksum that the server reports of
 * it: the journal's claim of a piece counts where the server still has every part of it, with the answer that the journal
 * noted. Files get their names only when the server has all parts of all of them.
 */
export class UploadOutput implements ResumableOutput {
  readonly slots = 2;
  private readonly run: RunState;
  private readonly store: OutputStore;
  private readonly head: JournalHead;
  private readonly uploads: readonly OpenUpload[];
  /** False until this run may change what an earlier run left. */
  private begun = false;

  private constructor(run: RunState, store: OutputStore, head: JournalHead, files: readonly UploadedFile[]) {
    this.run = run;
    this.store = store;
    this.head = head;
    const filled = run.layouts.map(({ header }): FilledRange[] => [
      { byteOffset: 0, byteLength: header.byteLength },
    ]);
    for (const { pieces } of run.work.jobs) for (const piece of pieces) filled[piece.file]?.push(piece);
    this.uploads = run.layouts.flatMap((layout, index): OpenUpload[] => {
      const file = files[index];
      if (file === undefined) return [];
      const journal = parseJournal(file.journal);
      if (journal.head !== undefined) refuseOtherRun(journal.head, head, file.name);
      const buffers = new PartBuffers({
        byteLength: file.byteLength,
        partByteLength: file.partByteLength,
        filled: filled[index] ?? [],
        isSent: (part) => isSent(file, journal, part),
        send: async (part, bytes) => file.log(partLine(part, await file.put(part, bytes))),
      });
      return [{ file, layout, journal, buffers: file.published ? undefined : buffers }];
    });
  }

  /** Opens and locks all files. @throws IoError when another process writes one; UsageError when another run is to be resumed */
  static async open(run: RunState, store: OutputStore): Promise<UploadOutput> {
    const { resume = false } = run.options;
    const head = await headOf(run);
    const files: UploadedFile[] = [];
    try {
      for (const { file } of run.layouts) {
        const opened = await store.upload?.(file.name, { byteLength: file.byteLength, resume });
        if (opened !== undefined) files.push(opened);
      }
      return new UploadOutput(run, store, head, files);
    } catch (error) {
      await endUnfinished(files, { begun: false, keep: true });
      throw error;
    }
  }

  isPublished(name: string): boolean {
    return this.uploads.find(({ layout }) => layout.file.name === name)?.file.published === true;
  }

  isEmpty(): boolean {
    return this.uploads.every(({ file }) => file.journal.byteLength === 0 && !file.published);
  }

  /** The jobs without the pieces whose parts the server has. */
  async jobsLeft(): Promise<readonly Job[]> {
    const { run } = this;
    for (const piece of run.work.jobs.flatMap(({ pieces }) => pieces)) {
      const result = this.claimed(piece);
      if (result === undefined) continue;
      run.setResult(piece, result);
      run.report("write", piece);
    }
    return run.jobsLeft();
  }

  /** The journal's result of a piece, where the server has all its bytes. */
  private claimed({ file: index, index: piece, byteOffset, byteLength }: Piece): PieceResult | undefined {
    const upload = this.uploads[index];
    const result = upload?.journal.pieces.get(piece);
    if (upload === undefined || result === undefined) return undefined;
    const { file, journal } = upload;
    if (file.published) return result;
    const end = Math.max(byteOffset + byteLength, byteOffset + 1);
    const first = Math.floor(byteOffset / file.partByteLength);
    for (let part = first; part * file.partByteLength < end; part++) {
      if (!isSent(file, journal, part)) return undefined;
    }
    return result;
  }

  /** Begins the uploads, and writes the headers and the first line of new journals. */
  async begin(): Promise<void> {
    this.begun = true;
    for (const { file, journal, layout, buffers } of this.uploads) {
      if (buffers === undefined) continue;
      await file.cutJournal(journal.head === undefined ? 0 : journal.byteLength);
      await file.begin();
      if (journal.head === undefined) await file.log(headLine(this.head));
      await buffers.begin();
      await buffers.write(layout.header, 0);
    }
  }

  readonly deliver = async ({ file, byteOffset }: Piece, bytes: Uint8Array): Promise<void> => {
    await this.uploads[file]?.buffers?.write(bytes, byteOffset);
  };

  async note(made: readonly MadePiece[]): Promise<void> {
    for (const [index, lines] of pieceLines(made)) {
      const upload = this.uploads[index];
      if (upload?.buffers !== undefined) await upload.file.log(lines);
    }
  }

  /** Gives all files their names, one directly after the other. */
  async publish(): Promise<void> {
    for (const { buffers } of this.uploads) await buffers?.flush();
    for (const { file } of this.uploads) await file.publish();
    for (const { file } of this.uploads) await file.finish();
  }

  /** Reads lengths and headers again; and all pieces of a file whose checksum the server does not tell. */
  checkPublished(): Promise<void> {
    return checkPublishedFiles(this.run, this.store, (file) => this.uploads[file]?.file.confirmed === true);
  }

  /** After an interruption, the parts on the server are kept for a later run. */
  async end(error: unknown): Promise<void> {
    const { keep = true, onFinding } = this.run.options;
    const kept = await this.close(keep && isInterruption(error));
    if (kept) {
      const message = "The server keeps the parts that it has; a run that does not resume removes them.";
      onFinding?.(finding("kept", message));
    }
  }

  async close(keep: boolean): Promise<boolean> {
    for (const { buffers } of this.uploads) await buffers?.settle();
    return endUnfinished(
      this.uploads.map(({ file }) => file),
      { begun: this.begun, keep },
    );
  }
}

/** Whether the server has a part, with the answer that the journal noted. */
function isSent(file: UploadedFile, { parts }: Journal, part: number): boolean {
  const answer = parts.get(part);
  return answer !== undefined && file.parts.get(part) === answer;
}
