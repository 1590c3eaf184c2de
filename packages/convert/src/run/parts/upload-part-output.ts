/** One part of a plan whose files a server takes in chunks: each chunk of the part is sent when all its bytes are made. */
import type { SharedUpload, SharedUploads } from "@requant/core";
import type { JournalHead } from "../outputs/journal.ts";
import type { RunOutput } from "../outputs/output.ts";
import { type FilledRange, PartBuffers } from "../outputs/part-buffers.ts";
import type { Job, MadePiece, Piece } from "../pieces.ts";
import type { RunState } from "../run-state.ts";
import { Claims, groupOf, LedgerWriter } from "./ledger.ts";
import type { PartNumber, PartWork } from "./part-work.ts";
import type { Chunks } from "./upload-chunks.ts";

/** What a part sends, and where. */
export interface UploadPartPlace {
  readonly uploads: SharedUploads;
  readonly parts: PartWork;
  readonly chunks: Chunks;
  readonly number: PartNumber;
  readonly head: JournalHead;
  /** The numbers of the chunks that the part sends. */
  readonly owned: ReadonlySet<number>;
  /** What the server has of a file, by index; undefined for a file that it has put together already. */
  readonly found: (file: number) => ReadonlyMap<number, string> | undefined;
}

/**
 * What is sent cannot be read again, so the proof of a chunk is the checksum that the server reports of it: an earlier attempt's
 * claim counts where the server still has the chunk with the answer that the ledger notes.
 */
export class UploadPartOutput implements RunOutput {
  readonly slots = 2;
  /** Pieces that this attempt has made. */
  made = 0;
  private readonly run: RunState;
  private readonly place: UploadPartPlace;
  private readonly ledger: LedgerWriter;
  /** By file; none before the earlier attempts are known. */
  private buffers: readonly PartBuffers[] = [];

  constructor(run: RunState, place: UploadPartPlace) {
    this.run = run;
    this.place = place;
    // a chunk is durable when the server has taken it
    this.ledger = new LedgerWriter(place.uploads, groupOf(place.number), place.head, async () => {});
  }

  async jobsLeft(): Promise<readonly Job[]> {
    const { run, place } = this;
    const claims = new Claims(place.head);
    for (const log of await place.uploads.readLogs(groupOf(place.number))) claims.add(log);
    const sent = this.sentChunks(claims);
    for (const piece of run.work.jobs.flatMap(({ pieces }) => pieces)) {
      const result = claims.results.get(place.parts.numberOf(piece));
      if (result === undefined || !this.ownedOf(piece).every((chunk) => sent.has(chunk))) continue;
      run.setResult(piece, result);
      run.report("write", piece);
    }
    this.buffers = place.uploads.files.map((file, index) => this.buffersOf(file, index, sent));
    return run.jobsLeft();
  }

  /** The chunks that need not be sent again: the server has them as a ledger says, and the results of all their pieces are known. */
  private sentChunks({ answers, results }: Claims): ReadonlySet<number> {
    const { run, place } = this;
    const sent = new Set<number>();
    for (const file of place.uploads.files.keys()) {
      const found = place.found(file);
      for (const { index, number } of place.chunks.ofFile(file)) {
        if (!place.owned.has(number)) continue;
        const answer = found?.get(index);
        const isClaimed = answer !== undefined && answers.get(number)?.has(answer) === true;
        if (found === undefined || isClaimed) sent.add(number);
      }
    }
    for (const piece of run.work.jobs.flatMap(({ pieces }) => pieces)) {
      if (results.has(place.parts.numberOf(piece)) || place.found(piece.file) === undefined) continue;
      for (const chunk of this.ownedOf(piece)) sent.delete(chunk);
    }
    return sent;
  }

  private ownedOf(piece: Piece): number[] {
    const { chunks, owned } = this.place;
    return chunks.of(piece).filter((chunk) => owned.has(chunk));
  }

  private buffersOf(upload: SharedUpload, file: number, sent: ReadonlySet<number>): PartBuffers {
    const { run, place } = this;
    const header = run.layouts[file]?.header.byteLength ?? 0;
    const filled: FilledRange[] = [{ byteOffset: 0, byteLength: header }];
    for (const { pieces } of run.work.jobs) {
      for (const piece of pieces) if (piece.file === file) filled.push(piece);
    }
    return new PartBuffers({
      byteLength: upload.byteLength,
      partByteLength: upload.partByteLength,
      filled,
      isSent: (index) => {
        const number = place.chunks.numberOf(file, index);
        return !place.owned.has(number) || sent.has(number);
      },
      send: async (index, bytes) => {
        const answer = await upload.put(index, bytes);
        this.ledger.noteChunk(place.chunks.numberOf(file, index), answer, bytes.byteLength);
      },
    });
  }

  /** Every machine knows the headers, so a part sends those in its own chunks. */
  async begin(): Promise<void> {
    for (const [file, buffers] of this.buffers.entries()) {
      await buffers.begin();
      await buffers.write(this.run.layouts[file]?.header ?? new Uint8Array(), 0);
    }
  }

  readonly deliver = async ({ file, byteOffset }: Piece, bytes: Uint8Array): Promise<void> => {
    await this.buffers[file]?.write(bytes, byteOffset);
  };

  async note(made: readonly MadePiece[]): Promise<void> {
    this.made += made.length;
    for (const { piece, result } of made) this.ledger.note(this.place.parts.numberOf(piece), result, 0);
  }

  async publish(): Promise<void> {
    for (const buffers of this.buffers) await buffers.flush();
    await this.ledger.flush();
    await this.ledger.close();
  }

  /** The server keeps the chunks that it has for the next attempt. */
  async end(): Promise<void> {
    for (const buffers of this.buffers) await buffers.settle();
    await this.ledger.flush().catch(() => {});
    await this.ledger.close();
  }
}
